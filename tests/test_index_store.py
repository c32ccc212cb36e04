"""A data folder and its collections."""

import os
import subprocess
import sys

import pytest

from index import Store, errors
from tests.index_samples import MODEL, collection_in, item

TAKE_FOLDER = """
import sys
from pathlib import Path
from index import Store, errors
try:
    Store.open(Path(sys.argv[1]))
except errors.Locked as error:
    print(error.code, error.message)
"""


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "data") as opened:
        yield opened


def test_creating_a_collection_twice_gives_the_first(store):
    """The second call of the same description finds what the first one made."""
    first, new = store.create("things", **MODEL)
    second, new_again = store.create("things", **MODEL)
    assert (new, new_again) == (True, False)
    assert first is second
    assert store.get("things") is first
    assert store.list() == [first]


@pytest.mark.parametrize("name", ["a", "A-1._b", "9" * 128, "con..fig"])
def test_names_of_letters_digits_and_some_signs_are_accepted(store, name):
    """Such a name makes a collection that is found under it."""
    store.create(name, **MODEL)
    assert store.get(name).name == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "../x", "-a", ".a", "ä", "a b", "a\n", "x" * 129, None]
)
def test_other_names_are_refused_saying_which_are_accepted(store, name):
    """No name can lead out of the data folder."""
    with pytest.raises(errors.CollectionNameError, match="A-Z a-z 0-9"):
        store.create(name, **MODEL)
    with pytest.raises(errors.StoreError):
        store.get(name)
    assert store.list() == []


def test_another_identity_is_refused_naming_both(store):
    """Vectors of two models never meet in one collection."""
    store.create("things", **MODEL)
    with pytest.raises(errors.IdentityMismatch) as refused:
        store.create("things", model="other-model", identity="identity-2", dimension=8)
    told = "test-model", "identity-1", "other-model", "identity-2", "sensorium reembed things"
    for word in told:
        assert word in refused.value.message
    with pytest.raises(errors.IdentityMismatch, match="identity-3"):
        store.get("things", identity="identity-3")
    assert store.get("things", identity="identity-1").identity == "identity-1"


def test_another_dimension_is_refused(store):
    """The same identity with another dimension is another space."""
    store.create("things", **MODEL)
    with pytest.raises(errors.IdentityMismatch, match=r"8-dimensional.*16 dimensions"):
        store.create("things", **{**MODEL, "dimension": 16})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dimension", 0),
        ("dimension", 1.5),
        ("media", "some"),
        ("recall", 0.5),
        ("recall", 1.0),
        ("recall", True),
    ],
)
def test_facts_outside_their_range_are_refused(store, name, value):
    """The message names the fact, and no collection is left behind."""
    with pytest.raises(errors.ParameterError, match=name):
        store.create("things", **{**MODEL, name: value})
    assert store.list() == []


def test_an_unknown_collection_is_named(store):
    """Getting and dropping what is not there say so."""
    with pytest.raises(errors.UnknownCollection, match="nothing"):
        store.get("nothing")
    with pytest.raises(errors.UnknownCollection, match="nothing"):
        store.drop("nothing")


def test_a_dropped_collection_is_gone_for_good(tmp_path):
    """Its files are deleted, its object is closed, its name is free for another model."""
    store, things = collection_in(tmp_path)
    things.upsert([item("a", media=b"bytes")])
    store.drop("things")
    assert list((tmp_path / "collections").iterdir()) == []
    with pytest.raises(errors.Closed, match="things"):
        things.get("a")
    again, new = store.create("things", model="other", identity="identity-2", dimension=3)
    assert new
    assert again.info().items == {}
    store.close()


def test_collections_are_there_again_after_reopening(tmp_path):
    """Facts, items and media survive close and open."""
    store, things = collection_in(tmp_path)
    things.upsert([item("a", metadata={"k": 1}, media=b"bytes", media_type="image/png")])
    before = things.info()
    store.close()
    with Store.open(tmp_path) as reopened:
        found = reopened.get("things")
        assert found.info() == before
        assert found.get("a").metadata == {"k": 1}
        assert found.media("a") == (b"bytes", "image/png")


def test_a_second_process_is_refused_naming_folder_and_owner(tmp_path):
    """Only one process has a data folder open at a time."""
    with Store.open(tmp_path):
        told = subprocess.run(
            [sys.executable, "-c", TAKE_FOLDER, str(tmp_path)], capture_output=True, text=True, check=True
        ).stdout
    assert told.startswith("locked")
    assert str(tmp_path) in told
    assert str(os.getpid()) in told
    free = subprocess.run(
        [sys.executable, "-c", TAKE_FOLDER, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert free.stdout == ""


def test_a_second_store_in_one_process_is_refused(tmp_path):
    """The lock also holds against ourselves, until the first is closed."""
    first = Store.open(tmp_path)
    with pytest.raises(errors.Locked, match="another data folder"):
        Store.open(tmp_path)
    first.close()
    Store.open(tmp_path).close()


def test_a_closed_store_refuses_everything(tmp_path):
    """Store and collections say that they are closed; closing again does nothing."""
    store, things = collection_in(tmp_path)
    store.close()
    store.close()
    for use in (store.list, lambda: store.get("things"), lambda: store.create("b", **MODEL)):
        with pytest.raises(errors.Closed):
            use()
    for use in (things.info, lambda: things.upsert([item("a")]), lambda: things.delete(["a"])):
        with pytest.raises(errors.Closed, match="things"):
            use()


def test_an_unreadable_database_fails_alone(tmp_path):
    """The other collections work; the broken one is named whenever it is asked for, and can be dropped."""
    with Store.open(tmp_path) as store:
        store.create("broken", **MODEL)
        store.create("whole", **MODEL)[0].upsert([item("a")])
    path = tmp_path / "collections" / "broken" / "collection.sqlite"
    path.write_bytes(b"no database" * 1000)
    with Store.open(tmp_path) as store:
        assert [found.name for found in store.list()] == ["whole"]
        with pytest.raises(errors.Damaged, match="broken"):
            store.get("broken")
        with pytest.raises(errors.Damaged, match="broken"):
            store.create("broken", **MODEL)
        store.drop("broken")
        assert store.create("broken", **MODEL)[1]


def test_what_an_interrupted_create_or_drop_left_is_swept(tmp_path):
    """Half-made and half-deleted collections are not seen and their space is given back."""
    Store.open(tmp_path).close()
    for name in (".unfinished-1", ".dropped-2"):
        (tmp_path / "collections" / name).mkdir()
        (tmp_path / "collections" / name / "collection.sqlite").write_bytes(b"")
    with Store.open(tmp_path) as store:
        assert store.list() == []
    assert list((tmp_path / "collections").iterdir()) == []
