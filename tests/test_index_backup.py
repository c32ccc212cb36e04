"""Backups made while the store is used, and what is restored from them."""

import logging
import shutil
import threading
import time

import pytest

from index import Store, errors
from tests.index_samples import MODEL, assert_picture_is_true, collection_in, item, vector


@pytest.fixture
def filled(tmp_path):
    """An open store with a collection of 40 items and another one of one."""
    store, things = collection_in(tmp_path / "data")
    things.upsert([item(f"i{n}", n, metadata={"n": n}, media=f"media {n % 7}".encode()) for n in range(40)])
    store.create("other", **MODEL)[0].upsert([item("a", 1, "text")])
    yield store, things
    store.close()


def contents(store):
    return {
        found.name: {
            one.id: (one.metadata, one.created_at, found.vectors(one.id)[1].tobytes())
            for one in found.page(1000).items
        }
        for found in store.list()
    }


def test_a_backup_opens_as_a_store_of_its_own(filled, tmp_path):
    """Items, media, facts and the order of searches are those of the original."""
    store, things = filled
    told = store.backup(tmp_path / "copy")
    assert told.collections == ("other", "things")
    assert told.faults == ()
    with Store.open(tmp_path / "copy") as copy:
        assert contents(copy) == contents(store)
        copied = copy.get("things", identity=MODEL["identity"])
        assert copied.info() == things.info()
        assert copied.media("i9") == things.media("i9")
        assert [hit.id for hit in copied.search(vector(3))] == [hit.id for hit in things.search(vector(3))]
        assert_picture_is_true(copied)


def test_what_was_restored_is_what_was_backed_up(filled, tmp_path):
    """Changes after the backup are not in it; the restored folder is used like any other."""
    store, things = filled
    before = contents(store)
    store.backup(tmp_path / "copy")
    things.delete([f"i{n}" for n in range(30)])
    things.upsert([item("i35", 99)])
    store.close()
    told = Store.restore(tmp_path / "copy", tmp_path / "again")
    assert told.collections == ("other", "things")
    with Store.open(tmp_path / "again") as again:
        assert contents(again) == before
        again.get("things").upsert([item("new", 1, media=b"new")])
        assert again.get("things").media("new")[0] == b"new"
        assert_picture_is_true(again.get("things"))


def test_a_backup_of_a_running_store_is_restored_without_warnings(tmp_path, caplog):
    """Shelves that were not saved yet are built of the rows, which is as it should be."""
    with Store.open(tmp_path / "live") as store:
        made, _ = store.create("things", **MODEL)
        made.upsert([item(f"i{i}", i) for i in range(20)])
        store.backup(tmp_path / "copy")
    Store.restore(tmp_path / "copy", tmp_path / "data")
    with Store.open(tmp_path / "data") as again:
        assert len(again.get("things").search(vector(0), limit=100)) == 20
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []


def test_saved_shelves_are_part_of_a_backup(filled, tmp_path, caplog):
    """A large shelf need not be built again after a restore."""
    store, things = filled
    things._state._save(["image"])
    things.upsert([item("later", 100)])
    store.backup(tmp_path / "copy")
    with Store.open(tmp_path / "copy") as copy:
        assert len(copy.get("things").search(vector(0), limit=100)) == 41
    assert "rebuilding the image shelf" not in caplog.text


def test_backups_while_others_write_are_of_one_moment(filled, tmp_path):
    """Two items that are always stored together have the same number in every backup, with their media."""
    store, things = filled
    stop = threading.Event()

    def write():
        number = 0
        while not stop.is_set():
            things.upsert(
                [
                    item(name, number, metadata={"number": number}, media=f"pair {number}".encode())
                    for name in ("left", "right")
                ]
            )
            number += 1

    things.upsert([item(name, 0, metadata={"number": 0}, media=b"pair 0") for name in ("left", "right")])
    writer = threading.Thread(target=write)
    writer.start()
    try:
        for n in range(5):
            assert store.backup(tmp_path / f"copy{n}").faults == ()
    finally:
        stop.set()
        writer.join()
    numbers = []
    for n in range(5):
        with Store.open(tmp_path / f"copy{n}") as copy:
            copied = copy.get("things")
            left, right = (copied.get(name).metadata["number"] for name in ("left", "right"))
            assert left == right
            assert copied.media("left")[0] == f"pair {left}".encode()
            assert_picture_is_true(copied)
            numbers.append(left)
    assert numbers == sorted(numbers)
    files = {path.name for path in (things.folder / "media").glob("*/*")}
    assert len(files) == 8


def test_a_folder_with_collections_is_not_written_over(filled, tmp_path):
    """Neither by a backup nor by a restore; an empty folder is fine."""
    store, _ = filled
    store.backup(tmp_path / "copy")
    before = contents(store)
    with pytest.raises(errors.NotEmpty, match="choose an empty folder"):
        store.backup(tmp_path / "copy")
    store.close()
    with pytest.raises(errors.NotEmpty, match="data"):
        Store.restore(tmp_path / "copy", tmp_path / "data")
    with Store.open(tmp_path / "data") as again:
        assert contents(again) == before
    Store.open(tmp_path / "empty").close()
    assert Store.restore(tmp_path / "copy", tmp_path / "empty").collections == ("other", "things")


def test_folders_in_use_are_refused(filled, tmp_path):
    """A running service's folder is neither restored to nor from."""
    store, _ = filled
    store.backup(tmp_path / "copy")
    with Store.open(tmp_path / "empty"), pytest.raises(errors.Locked):
        Store.restore(tmp_path / "copy", tmp_path / "empty")
    with pytest.raises(errors.Locked):
        Store.restore(tmp_path / "data", tmp_path / "empty")
    with pytest.raises(errors.ParameterError, match="among the collections"):
        store.backup(tmp_path / "data" / "collections" / "copy")


def test_what_is_no_backup_is_named(tmp_path):
    """The folder that was given has no collections."""
    with pytest.raises(errors.NotABackup, match="collections"):
        Store.restore(tmp_path, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_damaged_backup_is_not_restored(filled, tmp_path):
    """Nothing is put into the new folder, and the file at fault is named."""
    store, _ = filled
    store.backup(tmp_path / "copy")
    database = tmp_path / "copy" / "collections" / "things" / "collection.sqlite"
    data = bytearray(database.read_bytes())
    data[data.index(vector(7).tobytes()) + 5] ^= 1
    database.write_bytes(data)
    with pytest.raises(errors.Damaged, match=r"things/collection\.sqlite is damaged.*use another backup"):
        Store.restore(tmp_path / "copy", tmp_path / "again")
    assert [path.name for path in (tmp_path / "again").iterdir()] == ["lock"]


def test_a_damaged_collection_does_not_stop_the_backup_of_the_others(filled, tmp_path):
    """It is left out, and the answer says so."""
    store, things = filled
    things._state._database.writer.execute("UPDATE items SET metadata = '{}' WHERE id = 'i7'")
    told = store.backup(tmp_path / "copy")
    assert told.collections == ("other",)
    assert len(told.faults) == 1
    assert "'things'" in told.faults[0]
    with Store.open(tmp_path / "copy") as copy:
        assert [found.name for found in copy.list()] == ["other"]


def test_lost_and_altered_media_are_told(filled, tmp_path):
    """The items are copied without them."""
    store, things = filled
    files = sorted((things.folder / "media").glob("*/*"))
    files[0].unlink()
    files[1].write_bytes(b"something else")
    told = store.backup(tmp_path / "copy")
    assert len(told.faults) == 2
    assert files[0].name in told.faults[0]
    assert files[1].name in told.faults[1]
    with Store.open(tmp_path / "copy") as copy:
        assert len(copy.get("things").page(100).items) == 40
        assert len(list((copy.get("things").folder / "media").glob("*/*"))) == 5


def test_what_an_interrupted_backup_left_is_swept(filled, tmp_path):
    """A folder that was being filled when the power went is not taken for a backup."""
    store, _ = filled
    (tmp_path / "copy" / ".unfinished-1" / "things").mkdir(parents=True)
    with pytest.raises(errors.NotABackup):
        Store.restore(tmp_path / "copy", tmp_path / "again")
    store.backup(tmp_path / "copy")
    assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == ["collections", "lock"]


def test_closing_breaks_a_backup_off(filled, tmp_path, monkeypatch):
    """It is not waited for, and what was copied is removed."""
    store, _ = filled
    copying = threading.Event()
    copyfile = shutil.copyfile
    outcome = []

    def slow(*words):
        copying.set()
        while not store._closed:
            time.sleep(0.001)
        return copyfile(*words)

    def back_up():
        try:
            store.backup(tmp_path / "copy")
        except errors.StoreError as error:
            outcome.append(error.code)

    monkeypatch.setattr(shutil, "copyfile", slow)
    backing_up = threading.Thread(target=back_up)
    backing_up.start()
    copying.wait()
    store.close()
    backing_up.join()
    assert outcome == ["closed"]
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["lock"]
