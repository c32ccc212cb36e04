"""FAISS files and memory follow SQLite, whatever happens to them."""

import logging
import shutil
import sqlite3

import faiss
import numpy as np
import pytest

from index import errors, shelves
from index.shelf import Shelf
from tests.index_samples import DIMENSION, assert_picture_is_true, collection_in, item, vector


@pytest.fixture
def filled(tmp_path):
    """A closed data folder with 60 images and 20 texts, and the order a search gives."""
    store, things = collection_in(tmp_path)
    things.upsert([item(f"i{i}", i, "image" if i < 60 else "text") for i in range(80)])
    found = [hit.id for hit in things.search(vector(100), limit=100)]
    store.close()
    return tmp_path, found


def shelf_file(folder, modality="image"):
    return folder / "collections" / "things" / "shelves" / f"{modality}.faiss"


def assert_opens_the_same(folder, found):
    store, things = collection_in(folder)
    assert_picture_is_true(things)
    assert [hit.id for hit in things.search(vector(100), limit=100)] == found
    store.close()


def test_a_whole_file_is_loaded_without_rebuilding(filled, caplog):
    """The usual start says nothing of rebuilding."""
    folder, found = filled
    with caplog.at_level(logging.INFO, "index"):
        assert_opens_the_same(folder, found)
    assert caplog.records == []


def test_faiss_itself_reads_the_file(filled):
    """Other tools may open what we save."""
    folder, _ = filled
    index = faiss.read_index(str(shelf_file(folder)))
    assert (index.ntotal, index.d) == (60, DIMENSION)


@pytest.mark.parametrize("position", [0, 40, 500, -1, -33, -40])
def test_one_flipped_bit_is_noticed_and_the_shelf_rebuilt(filled, caplog, position):
    """Header, vectors, facts or checksum: the log says why, the results are right."""
    folder, found = filled
    data = bytearray(shelf_file(folder).read_bytes())
    data[position] ^= 1
    shelf_file(folder).write_bytes(data)
    assert_opens_the_same(folder, found)
    assert "rebuilding the image shelf" in caplog.text
    assert "checksum" in caplog.text
    caplog.clear()
    assert_opens_the_same(folder, found)
    assert caplog.text == ""


@pytest.mark.parametrize("size", [0, 3, 35, 36, 100, -1])
def test_a_truncated_file_is_noticed_and_the_shelf_rebuilt(filled, caplog, size):
    """However much is left of it."""
    folder, found = filled
    shelf_file(folder).write_bytes(shelf_file(folder).read_bytes()[:size])
    assert_opens_the_same(folder, found)
    assert "rebuilding the image shelf" in caplog.text


def test_a_missing_file_is_rebuilt(filled, caplog):
    """FAISS files may be deleted at any time while the service is down; that is told, not warned of."""
    folder, found = filled
    shutil.rmtree(shelf_file(folder).parent)
    with caplog.at_level(logging.INFO, "index"):
        assert_opens_the_same(folder, found)
    assert "rebuilding the text shelf" in caplog.text
    assert {each.levelname for each in caplog.records} == {"INFO"}


def test_a_folder_that_is_removed_while_running_is_made_again(tmp_path, monkeypatch, caplog):
    """The next save makes it, and the start after that loads from it."""
    monkeypatch.setattr(shelves, "SAVE_ROWS", 1)
    store, things = collection_in(tmp_path)
    things.upsert([item("a", 1)])
    shutil.rmtree(shelf_file(tmp_path).parent)
    things.upsert([item("b", 2)])
    assert shelf_file(tmp_path).is_file()
    found = [hit.id for hit in things.search(vector(100), limit=100)]
    store.close()
    with caplog.at_level(logging.INFO, "index"):
        assert_opens_the_same(tmp_path, found)
    assert caplog.records == []


def test_no_folder_is_made_where_the_collection_is_gone(tmp_path):
    """What was removed as a whole does not come back as a folder without a database."""
    store, things = collection_in(tmp_path)
    things.upsert([item("a", 1)])
    shutil.rmtree(tmp_path / "collections" / "things")
    things._state._save(["image"])
    assert not (tmp_path / "collections" / "things").exists()
    store.close()


def test_a_file_of_another_kind_is_rebuilt(filled, caplog):
    """A whole, checksummed file of another dimension is not this shelf."""
    folder, found = filled
    other = shelf_file(folder, "text")
    shutil.copy(shelf_file(folder), other)
    other.write_bytes(other.read_bytes()[:-1])
    assert_opens_the_same(folder, found)
    assert "rebuilding the text shelf" in caplog.text


def test_an_older_file_is_replayed(filled, caplog):
    """After a crash the rows that came and went since the last save are added and removed."""
    folder, _ = filled
    old = shelf_file(folder).read_bytes()
    store, things = collection_in(folder)
    things.upsert([item(f"i{i}", i + 500) for i in range(10, 20)])
    things.upsert([item(f"new{i}", i + 600) for i in range(5)])
    things.delete([f"i{i}" for i in range(30, 40)])
    found = [hit.id for hit in things.search(vector(100), limit=100)]
    store.close()
    shelf_file(folder).write_bytes(old)
    with caplog.at_level(logging.INFO, "index"):
        assert_opens_the_same(folder, found)
    assert caplog.records == []


def test_a_file_newer_than_the_database_is_not_believed(filled, caplog):
    """Someone put an older database back: its row numbers may come again with other vectors."""
    folder, found = filled
    database = folder / "collections" / "things" / "collection.sqlite"
    older = database.read_bytes()
    store, things = collection_in(folder)
    things.upsert([item(f"i{i}", i + 500) for i in range(60)])
    store.close()
    database.write_bytes(older)
    assert_opens_the_same(folder, found)
    assert "newer than the database" in caplog.text


def test_shelves_are_saved_while_running(tmp_path, monkeypatch):
    """After enough changes the file is written without a close, so a crash need not replay everything."""
    monkeypatch.setattr(shelves, "SAVE_ROWS", 50)
    store, things = collection_in(tmp_path)
    things.upsert([item(f"i{i}", i) for i in range(49)])
    assert not shelf_file(tmp_path).exists()
    things.upsert([item("more", 1)])
    assert faiss.read_index(str(shelf_file(tmp_path))).ntotal == 50
    store.close()


def test_a_shelf_that_cannot_be_saved_fails_nothing(tmp_path, monkeypatch, caplog):
    """The vectors are in SQLite; the missing file costs a rebuild and is logged."""
    monkeypatch.setattr(shelves, "SAVE_ROWS", 1)
    store, things = collection_in(tmp_path)
    shelf_file(tmp_path).parent.rmdir()
    shelf_file(tmp_path).parent.write_text("a file in its place")
    things.upsert([item("a", 1)])
    assert "could not save the image shelf" in caplog.text
    assert [hit.id for hit in things.search(vector(1))] == ["a"]
    store.close()
    shelf_file(tmp_path).parent.unlink()
    store, things = collection_in(tmp_path)
    assert [hit.id for hit in things.search(vector(1))] == ["a"]
    store.close()


def test_a_failed_transaction_leaves_memory_and_disk_alike(tmp_path):
    """When the disk is full, rows, shelves and media stay as they were, and work goes on afterwards."""
    store, things = collection_in(tmp_path)
    things.upsert([item("a", 1, media=b"first")])
    writer = things._state._database.writer
    (pages,) = writer.execute("PRAGMA page_count").fetchone()
    writer.execute(f"PRAGMA max_page_count = {pages + 4}")
    with pytest.raises(errors.StorageFull):
        things.upsert([item(f"b{i}", i, media=b"second", metadata={"x": "y" * 5000}) for i in range(50)])
    assert [one.id for one in things.page(100).items] == ["a"]
    assert [hit.id for hit in things.search(vector(1))] == ["a"]
    assert len(list((things.folder / "media").glob("*/*"))) == 1
    assert_picture_is_true(things)
    writer.execute("PRAGMA max_page_count = 1000000")
    things.upsert([item("b", 2)])
    assert {hit.id for hit in things.search(vector(1))} == {"a", "b"}
    store.close()


def test_shelves_that_cannot_follow_a_change_are_rebuilt(tmp_path, caplog):
    """The upsert is durable, so it succeeds, and the next search finds it on a new shelf."""
    store, things = collection_in(tmp_path)
    things.upsert([item("a", 1), item("t", 2, "text")])
    things._state.shelves._shelves["image"] = Shelf(DIMENSION + 1)
    things.upsert([item("b", 3)])
    assert "could not follow" in caplog.text
    assert [hit.id for hit in things.search(vector(3), modalities=["image"])] == ["b", "a"]
    assert "rebuilding the image shelf" in caplog.text
    assert_picture_is_true(things)
    store.close()


def test_row_numbers_are_never_given_twice(tmp_path):
    """The number of a deleted row does not come back, so no file can mistake one row for another."""
    store, things = collection_in(tmp_path)
    for _ in range(3):
        things.upsert([item(f"i{i}", i) for i in range(10)])
        things.delete([f"i{i}" for i in range(10)])
        store.close()
        store, things = collection_in(tmp_path)
    things.upsert([item("last", 1)])
    with things._state.reading() as connection:
        assert connection.execute("SELECT row FROM rows").fetchall() == [(31,)]
    store.close()


def test_removed_rows_are_gone_before_and_after_compaction():
    """A shelf forgets rows at once for searches, later in memory."""
    shelf = Shelf(DIMENSION)
    vectors = np.stack([vector(i) for i in range(100)])
    shelf.add(np.arange(100), vectors, np.arange(100))
    shelf.remove(np.arange(5))
    assert shelf.index.ntotal == 100
    assert len(shelf) == 95
    assert shelf.rows().tolist() == list(range(5, 100))
    places, _ = shelf.search(vector(0), 100, shelf.places.selected(None, None))
    assert sorted(shelf.places.rows[places].tolist()) == list(range(5, 100))
    shelf.remove(np.arange(5, 20))
    assert shelf.index.ntotal == len(shelf) == 80
    np.testing.assert_array_equal(shelf.vectors(np.array([20, 99])), vectors[[20, 99]])


def test_the_database_refuses_what_breaks_its_rules(tmp_path):
    """A row without an item cannot be written."""
    store, things = collection_in(tmp_path)
    with pytest.raises(sqlite3.IntegrityError):
        things._state._database.writer.execute(
            "INSERT INTO rows (item, checksum, vector) VALUES (7, 0, x'00')"
        )
    store.close()
