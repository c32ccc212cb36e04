"""`sensorium backup` and `sensorium restore`, beside a server that goes on."""

import shutil
import threading
import time

import pytest
from typer.testing import CliRunner

from index import Store
from service.cli import cli
from service.label_sets import LabelSets
from tests.index_samples import collection_in, item


def sensorium(*words):
    """The finished command: `exit_code`, `stdout`, `stderr`."""
    return CliRunner().invoke(cli, list(map(str, words)))


def ids(folder, name="things"):
    with Store.open(folder) as store:
        return {one.id for one in store.get(name).page(10_000).items}


def spoil(folder, name="things"):
    (folder / "collections" / name / "collection.sqlite").write_bytes(b"noise" * 1000)


@pytest.fixture
def copied(tmp_path):
    """A backup of the collections `things` (three items) and `other`, and the data folder it is of."""
    store, things = collection_in(tmp_path / "data")
    things.upsert([item(name, media=name.encode()) for name in "abc"])
    store.create("other", model="m", identity="i", dimension=2)
    store.close()
    assert sensorium("backup", tmp_path / "copy", "--data-dir", tmp_path / "data").exit_code == 0
    return tmp_path / "copy", tmp_path / "data"


def test_a_backup_beside_a_serving_server_holds_what_was_acknowledged(serve, tmp_path):
    """Items are stored, replaced and deleted meanwhile, media included; the copy is restored and searched."""
    client = serve()
    client.put("/v1/collections/things")
    stop, acknowledged = threading.Event(), []

    def write():
        number = 0
        while not stop.is_set():
            items = [
                {"id": f"i{number}", "content": f"text {number}"},
                {"id": "same", "content": str(number)},
            ]
            assert client.post("/v1/collections/things/items", json={"items": items}).status_code == 200
            acknowledged.append(f"i{number}")
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        while len(acknowledged) < 5 and writer.is_alive():
            time.sleep(0.01)
        before = set(acknowledged)
        done = sensorium("backup", tmp_path / "copy", "--data-dir", tmp_path / "data")
        after = {*acknowledged, f"i{len(acknowledged)}"}
    finally:
        stop.set()
        writer.join()
    assert done.exit_code == 0, done.output
    assert "1 collections (things)" in done.stdout
    restored = sensorium("restore", tmp_path / "copy", "--data-dir", tmp_path / "again")
    assert restored.exit_code == 0, restored.output
    second = serve(data_dir=tmp_path / "again")
    found = second.get("/v1/collections/things/items", params={"limit": 1000}).json()["items"]
    assert before | {"same"} <= {one["id"] for one in found} <= after | {"same"}
    for one in found:
        assert second.get(f"/v1/collections/things/items/{one['id']}/media").status_code == 200
    query = {"query": "text 3", "limit": 1}
    assert second.post("/v1/collections/things/search", json=query).json()["results"][0]["id"] == "i3"
    media = tmp_path / "data" / "collections" / "things" / "media"
    client.post("/v1/collections/things/items", json={"items": [{"id": "same", "content": "last"}]})
    assert len(list(media.glob("*/*"))) == len(acknowledged) + 1


def test_a_collection_that_was_made_and_never_opened_is_copied(copied, tmp_path):
    """After a kill at that moment it has its database only."""
    _, data = copied
    for folder in ("media", "shelves"):
        shutil.rmtree(data / "collections" / "other" / folder)
    done = sensorium("backup", tmp_path / "second", "--data-dir", data)
    assert done.exit_code == 0, done.output
    assert ids(tmp_path / "second", "other") == set()
    assert ids(tmp_path / "second") == {"a", "b", "c"}


def test_restore_says_why_not(copied, tmp_path):
    """A folder with collections, one in use, a damaged backup, one that is none: code 1 and nothing done."""
    copy, data = copied
    with Store.open(tmp_path / "used"):
        used = sensorium("restore", copy, "--data-dir", tmp_path / "used")
    full = sensorium("restore", copy, "--data-dir", data)
    none = sensorium("restore", tmp_path / "used" / "collections", "--data-dir", tmp_path / "new")
    spoil(copy)
    damaged = sensorium("restore", copy, "--data-dir", tmp_path / "new")
    for done, words in (
        (used, "in use by another process"),
        (full, "holds collections already"),
        (none, "is no backup"),
        (damaged, "use another backup"),
    ):
        assert done.exit_code == 1
        assert words in done.stderr
        assert "Traceback" not in done.output
    assert ids(data) == {"a", "b", "c"}
    assert not (tmp_path / "new" / "collections").exists()


def test_backup_says_why_not(copied, tmp_path):
    """A destination with collections, a source without: exit code 1."""
    copy, data = copied
    again = sensorium("backup", copy, "--data-dir", data)
    nothing = sensorium("backup", tmp_path / "new", "--data-dir", tmp_path / "nowhere")
    inside = sensorium("backup", data / "collections" / "new", "--data-dir", data)
    for done, words in (
        (again, "holds collections already"),
        (nothing, "is no data folder"),
        (inside, "lies among the collections"),
    ):
        assert done.exit_code == 1
        assert words in done.stderr
    assert not (tmp_path / "new").exists()


def test_a_damaged_collection_is_left_out_of_a_backup_and_named(copied, tmp_path):
    """The others are copied; the exit code tells cron."""
    _, data = copied
    spoil(data)
    done = sensorium("backup", tmp_path / "second", "--data-dir", data)
    assert done.exit_code == 1
    assert "'things'" in done.stderr
    assert ids(tmp_path / "second", "other") == set()


def test_one_collection_comes_back_beside_the_others(copied):
    """In place of a damaged or deleted one, never of a whole one; the damaged files are kept aside."""
    copy, data = copied
    whole = sensorium("restore", copy, "--data-dir", data, "--collection", "things")
    assert whole.exit_code == 1
    assert "delete the collection first" in whole.stderr
    unknown = sensorium("restore", copy, "--data-dir", data, "--collection", "nobody")
    assert "no collection 'nobody'" in unknown.stderr
    spoil(data)
    with Store.open(data) as store:
        assert list(store.damaged()) == ["things"]
    assert sensorium("restore", copy, "--data-dir", data, "--collection", "things").exit_code == 0
    assert ids(data) == {"a", "b", "c"}
    assert len(list((data / "collections").glob(".damaged-*-things"))) == 1
    with Store.open(data) as store:
        store.drop("things")
    assert sensorium("restore", copy, "--data-dir", data, "--collection", "things").exit_code == 0
    assert ids(data) == {"a", "b", "c"}
    with Store.open(data):
        used = sensorium("restore", copy, "--data-dir", data, "--collection", "things")
    assert "in use by another process" in used.stderr


def test_label_sets_come_along(copied):
    """In a backup and back again; a collection that is restored alone brings none."""
    copy, data = copied
    LabelSets(data).put("zoo", ["dog", "cat"], "clip-7")
    fresh, alone = copy.with_name("fresh"), copy.with_name("alone")
    second = copy.with_name("second")
    assert sensorium("backup", second, "--data-dir", data).exit_code == 0
    assert sensorium("restore", second, "--data-dir", fresh).exit_code == 0
    assert LabelSets(fresh).get("zoo") == LabelSets(data).get("zoo")
    assert sensorium("restore", second, "--data-dir", alone, "--collection", "other").exit_code == 0
    assert LabelSets(alone).all() == []
