"""Bits that flip in SQLite's file, and disks that are full."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from index import Item, Row, Store, errors, state
from index.validation import unit_vector
from tests.index_samples import assert_picture_is_true, collection_in, item
from tests.small_disk import mounted

DIMENSION = 1500
"""So large that SQLite puts most of a vector onto pages of their own."""


def big_item(number):
    rng = np.random.default_rng(number)
    return Item(f"i{number}", "image", (Row(rng.normal(size=DIMENSION).astype(np.float32)),), {"n": number})


@pytest.fixture
def filled(tmp_path):
    """A closed data folder with 30 items, and the path of its database."""
    store, things = collection_in(tmp_path, dimension=DIMENSION)
    things.upsert([big_item(n) for n in range(30)])
    store.close()
    return tmp_path, tmp_path / "collections" / "things" / "collection.sqlite"


def flip(path, position):
    data = bytearray(path.read_bytes())
    data[position] ^= 0x10
    path.write_bytes(data)


def flip_in_vector(path, number):
    stored = unit_vector(big_item(number).rows[0].vector, DIMENSION).tobytes()
    flip(path, path.read_bytes().index(stored[5000:5100]))


def pages(path):
    return path.stat().st_size // 4096


@pytest.mark.parametrize("share", np.linspace(0.02, 0.98, 25))
def test_a_flipped_bit_anywhere_is_noticed_or_harmless(filled, share):
    """Either the collection is refused by name, or all its items are as they were stored."""
    folder, path = filled
    flip(path, int(path.stat().st_size * share))
    with Store.open(folder) as store:
        if not store.list():
            with pytest.raises(errors.Damaged, match="things") as refused:
                store.get("things")
            assert str(path) in refused.value.message
            return
        things = store.get("things")
        kept = {one.id: things.vectors(one.id)[1][0] for one in things.page(100).items}
        assert len(kept) == 30
        for n in range(30):
            np.testing.assert_array_equal(kept[f"i{n}"], unit_vector(big_item(n).rows[0].vector, DIMENSION))


def test_a_bit_inside_a_vector_is_noticed(filled):
    """SQLite would not see it: the page is whole but for one number."""
    folder, path = filled
    flip_in_vector(path, 7)
    with Store.open(folder) as store, pytest.raises(errors.Damaged, match="'i7' is not what was stored"):
        store.get("things")


def test_a_page_of_noise_is_noticed(filled):
    """A page that the disk gave back as something else."""
    folder, path = filled
    data = bytearray(path.read_bytes())
    middle = pages(path) // 2 * 4096
    data[middle : middle + 4096] = np.random.default_rng(0).bytes(4096)
    path.write_bytes(data)
    with Store.open(folder) as store:
        with pytest.raises(errors.Damaged, match=r"restore .* from a backup"):
            store.get("things")
        assert store.list() == []
        assert list(store.damaged()) == ["things"]
        store.drop("things")
        assert store.damaged() == {}
        collection, is_new = store.create("things", model="m", identity="i", dimension=2)
        assert is_new
        collection.upsert([Item("a", "image", (Row(np.ones(2, dtype=np.float32)),))])


def test_damage_in_a_large_database_is_noticed_while_it_is_used(filled, monkeypatch):
    """Reading all of it would hold up the start; from the moment it is noticed, nobody is let in."""
    monkeypatch.setattr(state, "CHECKED_FIRST", 0)
    folder, path = filled
    flip_in_vector(path, 7)
    with Store.open(folder) as store:
        things = store._collections["things"]
        things._state._watch._thread.join()
        for use in (
            things.info,
            lambda: things.get("i1"),
            lambda: things.search(np.ones(DIMENSION)),
            lambda: things.upsert([big_item(31)]),
            lambda: store.get("things"),
        ):
            with pytest.raises(errors.Damaged, match="things"):
                use()
        assert store.list() == []
        assert "things" in store.damaged()["things"].message


def child(program, *words):
    """What a Python process printed that ended by SIGKILL of its own hand."""
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, words)],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -9, done.stderr
    return done.stdout


WRITE_AND_DIE = """
import os, sys
from pathlib import Path
from tests.index_samples import collection_in, item
store, things = collection_in(Path(sys.argv[1]))
for n in range(20):
    things.upsert([item(f"i{n}", n, metadata={"n": n})])
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def killed(tmp_path):
    """A data folder whose 20 items lie in the write-ahead log, and the paths of database and log."""
    child(WRITE_AND_DIE, tmp_path)
    path = tmp_path / "collections" / "things" / "collection.sqlite"
    return tmp_path, path, path.with_name("collection.sqlite-wal")


def test_what_lies_in_the_log_after_a_kill_is_there(killed):
    """The log alone holds all items; closing empties it and leaves no mark behind."""
    folder, path, wal = killed
    assert wal.stat().st_size > path.stat().st_size
    with Store.open(folder) as store:
        assert len(store.get("things").page(100).items) == 20
    assert {one.name for one in path.parent.iterdir()} == {"collection.sqlite", "media", "shelves"}


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9])
def test_a_flipped_bit_in_the_log_is_noticed(killed, share):
    """SQLite drops all changes from there on without a word; that they are missing is told every time."""
    folder, _, wal = killed
    flip(wal, int(wal.stat().st_size * share) + 20)
    for _ in range(2):
        with Store.open(folder) as store:
            assert store.list() == []
            with pytest.raises(errors.Damaged, match=r"'things'.*acknowledged changes are missing"):
                store.get("things")


@pytest.mark.parametrize("left", [0, 5000])
def test_a_log_that_is_gone_or_cut_is_noticed(killed, left):
    """Whoever wants the state before the loss is told which file to delete."""
    folder, path, wal = killed
    with wal.open("rb+") as file:
        file.truncate(left)
    with Store.open(folder) as store, pytest.raises(errors.Damaged, match="missing") as refused:
        store.get("things")
    mark = path.with_name("acknowledged")
    assert str(mark) in refused.value.message
    mark.unlink()
    with Store.open(folder) as store:
        things = store.get("things")
        assert len(things.page(100).items) < 20
        things.upsert([item("new", 1)])
        assert_picture_is_true(things)


@pytest.mark.parametrize("content", [b"", b"noise", b"noise" * 100])
def test_a_mark_that_is_not_what_was_written_hinders_nobody(killed, content):
    """It only tells less."""
    folder, path, _ = killed
    path.with_name("acknowledged").write_bytes(content)
    with Store.open(folder) as store:
        assert len(store.get("things").page(100).items) == 20


def test_a_database_of_the_layout_before_is_brought_up_to_date(filled):
    """Items stored without parameters of a decoder stay; a layout nobody knows is refused by its number."""
    folder, path = filled
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("ALTER TABLE items DROP COLUMN params")
        connection.execute("PRAGMA user_version = 2")
    with Store.open(folder) as store:
        things = store.get("things")
        assert len(things.page(100).items) == 30
        things.upsert([big_item(1)])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with Store.open(folder) as store, pytest.raises(errors.Damaged, match=r"things.*layout 99.*reads 2, 3"):
        store.get("things")


def test_a_hit_that_is_not_what_was_stored_is_not_shown(filled):
    """Damage that comes while the store is open is met at the latest in a result."""
    folder, _ = filled
    with Store.open(folder) as store:
        things = store.get("things")
        things._state._database.writer.execute("UPDATE items SET metadata = '{\"n\": 8}' WHERE id = 'i7'")
        with pytest.raises(errors.Damaged, match="'i7' is not what was stored"):
            things.search(big_item(7).rows[0].vector)


def test_closing_does_not_wait_for_the_whole_check(filled, monkeypatch):
    """The check of a large database is broken off."""
    monkeypatch.setattr(state, "CHECKED_FIRST", 0)
    folder, _ = filled
    for _ in range(20):
        with Store.open(folder) as store:
            assert store.get("things").damage is None


@pytest.fixture
def small_disk(tmp_path):
    """A file system with room for 3 MB."""
    with mounted(tmp_path / "disk", megabytes=3) as disk:
        yield disk


def test_a_full_disk_leaves_nothing_half_written(small_disk):
    """Whatever the disk has no room for did not happen, and what was there before stays."""
    store, things = collection_in(small_disk / "data")
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(500_000))
    acknowledged = []

    def fill():
        for n in range(1000):
            things.upsert([item(f"i{n}", n, metadata={"pad": "x" * 5000}, media=bytes([n % 256]) * 20_000)])
            acknowledged.append(f"i{n}")

    with pytest.raises(errors.StorageFull):
        fill()
    assert acknowledged
    assert [one.id for one in things.page(2000).items] == acknowledged
    assert_picture_is_true(things)
    with pytest.raises(errors.StorageFull):
        store.backup(small_disk / "copy")
    ballast.unlink()
    things.upsert([item("i1000", 1000, media=bytes([1000 % 256]) * 20_000)])
    acknowledged.append("i1000")
    store.close()
    with Store.open(small_disk / "data") as store:
        things = store.get("things")
        assert [one.id for one in things.page(2000).items] == acknowledged
        files = {path.name for path in (things.folder / "media").glob("*/*")}
        assert len(files) == len({int(name[1:]) % 256 for name in acknowledged})
        assert_picture_is_true(things)


@pytest.mark.parametrize("written", [0.0, float("nan"), -1.0])
@pytest.mark.parametrize("while_open", [False, True])
def test_altered_vectors_of_a_compressed_shelf_hide_nothing(tmp_path, caplog, written, while_open):
    """Zeros, NaN or the opposite in the file of vectors: the item is found all the same, the log says why."""
    chance = np.random.default_rng(0)
    vectors = chance.normal(size=(1_500, 32)).astype(np.float32)
    items = [Item(f"i{n}", "image", (Row(vector),)) for n, vector in enumerate(vectors)]

    def alter():
        (path,) = (tmp_path / "collections").glob("*/shelves/*.vectors")
        with path.open("r+b") as file:
            file.seek(7 * 4 * 32)
            file.write((unit_vector(vectors[7], 32) * np.float32(written)).tobytes())

    with Store.open(tmp_path, flat_limit=500) as store:
        things, _ = store.create("things", model="m", identity="i", dimension=32)
        things.upsert(items)
        things.wait_for_growth()
        assert things.info().shelves["image"].structure != "flat"
        if while_open:
            alter()
            assert things.search(vectors[7], limit=3, recall=0.999)[0].id == "i7"
    if not while_open:
        alter()
    with Store.open(tmp_path, flat_limit=500) as store:
        assert store.get("things").search(vectors[7], limit=3, recall=0.999)[0].id == "i7"
    assert "rebuilding the image shelf" in caplog.text


def test_a_folder_in_place_of_a_file_keeps_only_its_collection_aside(tmp_path):
    """What the system refuses to read in one collection does not close the others."""
    with Store.open(tmp_path) as store:
        for name in ("broken", "whole"):
            things, _ = store.create(name, model="m", identity="i", dimension=2)
            things.upsert([Item("a", "image", (Row(np.ones(2, np.float32)),))])
    (tmp_path / "collections" / "broken" / "shelves" / "left.vectors").mkdir()
    with Store.open(tmp_path) as store:
        assert [things.name for things in store.list()] == ["whole"]
        assert "left.vectors" in str(store.damaged()["broken"])
        with pytest.raises(errors.Damaged):
            store.get("broken")
