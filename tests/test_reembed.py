"""A collection made with one model becomes one of another: over HTTP, interrupted, without some items."""

import base64
import contextlib
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import pytest
from typer.testing import CliRunner

from index import Item, Row, Store, errors
from index.reembedding import reembedding
from models.modalities import decode
from service.app import create_app
from service.cli import cli
from service.reembedding import command, reembed
from service.settings import Settings
from tests import media_files as files
from tests.conftest import PATIENCE_S, running, wait_until_ready
from tests.index_samples import MODEL, assert_picture_is_true, vector
from tests.small_embedder import small_embedder

A, B = small_embedder(seed=0), small_embedder("other-test", seed=1)
ITEMS = "/v1/collections/things/items"


def b64(data):
    return base64.b64encode(data).decode()


@contextlib.contextmanager
def serving(embedder, folder):
    """A client of a server that runs as long as the block."""
    with running(create_app(Settings(data_dir=folder), embedder)) as url:
        wait_until_ready(url)
        with httpx.Client(base_url=url, timeout=PATIENCE_S) as client:
            yield client


CONTENTS = {
    "words": "a dog barking",
    "minus": {"text": "a dog barking", "weight": -2},
    "picture": {"image": b64(files.png())},
    "sound": {"audio": b64(files.wav())},
    "room": {"depth": b64(files.depth_npy()), "unit": "mm"},
    "walk": {"imu": b64(files.npy(files.imu_values())), "sample_rate": 50},
}


@pytest.fixture
def made_with_a(tmp_path):
    """The data folder of a stopped server with model A, and its items as they were listed."""
    items = [{"id": name, "content": CONTENTS[name], "metadata": {"name": name}} for name in CONTENTS]
    with serving(A, tmp_path / "data") as client:
        client.put("/v1/collections/things")
        assert client.post(ITEMS, json={"items": items}).json()["stored"] == len(CONTENTS)
        return tmp_path / "data", client.get(ITEMS).json()["items"]


def again(folder, embedder=B, *, drop_missing=False):
    return reembed(embedder, Settings(data_dir=folder), "things", drop_missing=drop_missing)


def test_a_collection_of_another_model_is_refused_until_it_is_encoded_again(made_with_a, capsys):
    """409 names the command; after it ids, metadata, times, media and order are the same, vectors are B's."""
    folder, listed = made_with_a
    with serving(B, folder) as client:
        for answer in (
            client.put("/v1/collections/things"),
            client.post(ITEMS, json={"items": [{"content": "a"}]}),
            client.post("/v1/collections/things/search", json={"query": "a dog"}),
        ):
            assert answer.status_code == 409
            assert "`sensorium reembed things`" in answer.json()["error"]["message"]
        with pytest.raises(errors.Locked, match="in use by another process"):
            again(folder)
    assert again(folder) == 0
    assert "6/6 items" in capsys.readouterr().err
    with serving(B, folder) as client:
        assert client.get(ITEMS).json()["items"] == listed
        assert client.get("/v1/collections/things").json()["identity"] == B.identity
        with_vector = client.get(f"{ITEMS}?with_vector=true").json()["items"]
        query = {"query": CONTENTS["sound"], "modalities": ["audio"], "limit": 3}
        found = client.post("/v1/collections/things/search", json=query).json()["results"]
        assert client.get(f"{ITEMS}/picture/media").content == files.png()
    assert (found[0]["id"], round(found[0]["score"], 5)) == ("sound", 1)
    vectors = {one["id"]: one["vector"] for one in with_vector}
    dog = B.embed("text", [decode("text", b"a dog barking")])[0]
    depth = B.embed("depth", [decode("depth", files.depth_npy(), unit="mm")])[0]
    np.testing.assert_allclose(vectors["words"], dog, atol=1e-6)
    np.testing.assert_allclose(vectors["minus"], -dog, atol=1e-6)
    np.testing.assert_allclose(vectors["room"], depth, atol=1e-6)
    assert again(folder) == 0
    assert "nothing to do" in capsys.readouterr().err


def test_items_that_cannot_be_encoded_again_are_named_and_kept(made_with_a, capsys):
    """Vectors, blends, lost and altered media: nothing changes without --drop-missing, with it they go."""
    folder, listed = made_with_a
    items = [
        {"id": "ready", "vector": [1.0] * 16, "modality": "image"},
        {"id": "blend", "content": {"parts": ["a", "b"]}},
        {"id": "lost", "content": "to be lost"},
        {"id": "altered", "content": "to be altered"},
    ]
    with serving(A, folder) as client:
        assert client.post(ITEMS, json={"items": items}).json()["stored"] == 4
        before = client.get(f"{ITEMS}?with_vector=true").json()
    for path in (folder / "collections" / "things" / "media").glob("*/*"):
        if path.read_bytes() == b"to be lost":
            path.unlink()
        elif path.read_bytes() == b"to be altered":
            path.write_bytes(b"something else")
    assert again(folder) == 1
    told = capsys.readouterr().err
    for word in ("4 items", "ready: ", "blend: ", "lost: ", "altered: ", "--drop-missing", "is as it was"):
        assert word in told
    with serving(A, folder) as client:
        assert client.get(f"{ITEMS}?with_vector=true").json() == before
    assert again(folder, drop_missing=True) == 0
    assert "going on: 6 of 10" in capsys.readouterr().err
    with serving(B, folder) as client:
        assert client.get(ITEMS).json()["items"] == listed


def test_what_changed_between_two_attempts_is_encoded_anew(made_with_a):
    """After a first attempt that ended early, A's server replaces, deletes and adds items."""
    folder, _ = made_with_a
    facts = {"model": B.name, "identity": B.identity, "dimension": B.dim, "bound": {}}
    with reembedding(folder, "things", **facts) as work:
        sources = next(work.pending(4))
        work.put([(source, [Row(np.ones(16, np.float32))]) for source in sources])
    with serving(A, folder) as client:
        items = [{"id": "words", "content": "a cat"}, {"id": "new", "content": "rain"}]
        client.post(ITEMS, json={"items": items})
        client.delete(f"{ITEMS}/picture")
        listed = client.get(ITEMS).json()["items"]
    assert again(folder) == 0
    with serving(B, folder) as client:
        assert client.get(ITEMS).json()["items"] == listed
        vector_of = client.get(f"{ITEMS}/words?with_vector=true").json()["vector"]
    np.testing.assert_allclose(vector_of, B.embed("text", [decode("text", b"a cat")])[0], atol=1e-6)


WORK_AND_DIE = """
import os, sys
from pathlib import Path
import numpy as np
from index import Row, reembedding
folder, moment = Path(sys.argv[1]), sys.argv[2]
def die(*_, **__):
    os.kill(os.getpid(), 9)
if moment == "exchange":
    reembedding.shutil.rmtree = die
if moment == "exchanged":
    reembedding.sync_folder = die
with reembedding.reembedding(
    folder, "things", model="b", identity="identity-2", dimension=5, bound={}
) as work:
    for number, sources in enumerate(work.pending(10)):
        if moment == str(number):
            die()
        work.put([(each, [Row(np.full(5, 1.0 + each.seq, np.float32))]) for each in sources])
    work.finish()
"""


def kill_at(folder, moment):
    done = subprocess.run(
        [sys.executable, "-c", WORK_AND_DIE, str(folder), moment],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -9, done.stderr


def test_a_kill_at_any_moment_leaves_the_old_collection_or_the_new(tmp_path):
    """The old one whole until the exchange, the new one whole after it, in the end with every item."""
    with Store.open(tmp_path) as store:
        things, _ = store.create("things", **MODEL)
        things.upsert([Item(f"i{n}", "text", (Row(vector(n)),), {"n": n}, b"x") for n in range(25)])
    for moment in ("0", "1", "1", "exchange", "exchanged"):
        kill_at(tmp_path, moment)
        with Store.open(tmp_path) as store:
            things = store.get("things")
            assert things.identity == ("identity-2" if moment == "exchanged" else MODEL["identity"])
            assert [one.id for one in things.page(100).items] == [f"i{n}" for n in range(25)]
            assert_picture_is_true(things)
            assert len(things.search(np.ones(things.dimension), limit=100)) == 25
            assert things.media("i7")[0] == b"x"


def test_the_command_says_what_is_wrong(tmp_path):
    """An unknown collection, and a folder in use: exit code 1 and no traceback."""
    with Store.open(tmp_path / "data") as store:
        store.create("things", **MODEL)
        used = CliRunner().invoke(cli, ["reembed", "things", "--data-dir", str(tmp_path / "data")])
    unknown = CliRunner().invoke(cli, ["reembed", "nobody", "--data-dir", str(tmp_path / "data")])
    for done, words in ((used, "in use by another process"), (unknown, "no collection 'nobody'")):
        assert done.exit_code == 1
        assert words in done.stderr
        assert "Traceback" not in done.output


def test_the_command_that_goes_on_says_where_and_with_what():
    """A folder that is not the usual one, bound senses, and names with spaces as a shell takes them."""
    usual = Settings(data_dir=Path("data"))
    assert command(usual, "things") == "sensorium reembed things"
    there = Settings(data_dir=Path("/var/lib/my data"), model="imagebind-nano", bound=(Path("touch"),))
    told = command(there, "things", "--drop-missing")
    options = "--data-dir '/var/lib/my data' --model imagebind-nano --bound touch --drop-missing"
    assert told == f"sensorium reembed things {options}"


def test_bound_senses_are_handed_on(tmp_path):
    """`--bound` is the setting of that name: a folder that holds none is named."""
    options = ["--data-dir", str(tmp_path), "--bound", str(tmp_path / "no-sense")]
    done = CliRunner().invoke(cli, ["reembed", "things", *options])
    assert done.exit_code == 1
    assert "no-sense" in done.stderr
