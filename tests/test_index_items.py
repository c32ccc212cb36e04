"""Storing, reading, paging and deleting items."""

from datetime import UTC, datetime

import numpy as np
import pytest

from index import Item, Row, Segment, Store, errors
from index.validation import METADATA_BYTES
from tests.index_samples import DIMENSION, MODEL, assert_picture_is_true, collection_in, item, vector


@pytest.fixture
def things(tmp_path):
    store, collection = collection_in(tmp_path)
    yield collection
    store.close()


def media_files(collection):
    return sorted(path.name for path in (collection.folder / "media").glob("*/*"))


def test_an_item_comes_back_as_stored(things):
    """Metadata, modality, segments and the unit vector are those that were given."""
    rows = (Row(3 * vector(1), Segment(0, 2)), Row(vector(2), Segment(1.5, 3.5)))
    metadata = {"ä": [1, 2.5, None, {"deep": True}], "text": "grüße"}
    before = datetime.now(UTC)
    things.upsert([Item("a b/c:ü", "audio", rows, metadata)])
    found = things.get("a b/c:ü", with_vector=True)
    assert (found.id, found.modality, found.metadata) == ("a b/c:ü", "audio", metadata)
    assert found.segments == (Segment(0.0, 2.0), Segment(1.5, 3.5))
    assert before.timestamp() - 1 < found.created_at.timestamp() <= datetime.now(UTC).timestamp()
    mean = vector(1) + vector(2)
    np.testing.assert_allclose(found.vector, mean / np.linalg.norm(mean), atol=1e-6)
    modality, vectors = things.vectors("a b/c:ü")
    assert modality == "audio"
    np.testing.assert_allclose(vectors, np.stack([vector(1), vector(2)]), atol=1e-7)
    assert vectors.dtype == np.float32


def test_the_same_id_replaces_everything_but_its_place(things):
    """Vector, modality, metadata and media are new; order and created_at stay."""
    things.upsert([item("a", 1, metadata={"old": 1}, media=b"old", media_type="image/png"), item("b", 2)])
    created_at = things.get("a").created_at
    things.upsert([item("a", 3, "text", metadata={"new": 2}, media=b"new", media_type="text/plain")])
    found = things.get("a", with_vector=True)
    assert (found.modality, found.metadata, found.created_at) == ("text", {"new": 2}, created_at)
    np.testing.assert_allclose(found.vector, vector(3), atol=1e-7)
    assert things.media("a") == (b"new", "text/plain")
    assert [one.id for one in things.page(10).items] == ["a", "b"]
    assert things.info().items == {"image": 1, "text": 1}
    assert len(media_files(things)) == 1
    assert_picture_is_true(things)


def test_replacing_without_media_takes_the_old_media_away(things):
    """An item shows only what its last upsert said."""
    things.upsert([item("a", media=b"old")])
    things.upsert([item("a")])
    with pytest.raises(errors.NoMedia, match="'a'"):
        things.media("a")
    assert media_files(things) == []


def test_the_same_media_are_stored_once_and_go_with_the_last_item(things):
    """Two items share a file until neither is there."""
    things.upsert([item("a", media=b"same"), item("b", media=b"same")])
    assert len(media_files(things)) == 1
    things.delete(["a"])
    assert things.media("b")[0] == b"same"
    things.delete(["b"])
    assert media_files(things) == []


def test_a_collection_without_media_keeps_none(tmp_path):
    """With media="none" no file is written."""
    with Store.open(tmp_path) as store:
        things, _ = store.create("things", **MODEL, media="none")
        things.upsert([item("a", media=b"bytes")])
        with pytest.raises(errors.NoMedia):
            things.media("a")
        assert media_files(things) == []
        assert things.info().media == "none"


def test_media_that_no_row_names_are_swept_at_open(tmp_path):
    """Files of an interrupted upsert disappear, files of items stay."""
    store, things = collection_in(tmp_path)
    things.upsert([item("a", media=b"kept")])
    (kept,) = media_files(things)
    folder = things.folder / "media" / kept[:2]
    store.close()
    (folder / (kept[:2] + "0" * 62)).write_bytes(b"orphan")
    (folder / (kept + ".partial")).write_bytes(b"half")
    store, things = collection_in(tmp_path)
    assert media_files(things) == [kept]
    assert things.media("a")[0] == b"kept"
    store.close()


def test_deleting_tells_how_many_were_there(things):
    """Unknown and repeated ids do not count; deleted items are gone from everything."""
    things.upsert([item(name, i) for i, name in enumerate("abc")])
    assert things.delete(["a", "a", "nothing", "b"]) == 2
    assert things.delete(["a"]) == 0
    assert [one.id for one in things.page(10).items] == ["c"]
    assert [hit.id for hit in things.search(vector(0))] == ["c"]
    with pytest.raises(errors.UnknownItem, match="'a'"):
        things.get("a")
    assert_picture_is_true(things)


def test_deleting_by_filter_needs_a_condition(things):
    """What the filter passes goes, and a filter without conditions does not empty the collection."""
    things.upsert([item(str(i), i, metadata={"i": i}) for i in range(10)])
    assert things.delete_where({"must": [{"key": "i", "range": {"gte": 4}}]}) == 6
    for empty in ({}, {"must": []}, {"must": [], "should": []}):
        with pytest.raises(errors.FilterError, match="at least one condition"):
            things.delete_where(empty)
    assert [one.id for one in things.page(10).items] == ["0", "1", "2", "3"]


@pytest.mark.parametrize("use", ["get", "media", "vectors"])
@pytest.mark.parametrize("name", ["gone", "", "\ud800", "'; DROP TABLE items; --", "x" * 10_000])
def test_reading_an_unknown_item_names_it(things, use, name):
    """Each way of reading says which id is unknown, however odd that is."""
    with pytest.raises(errors.UnknownItem) as refused:
        getattr(things, use)(name)
    assert repr(name)[:70] in refused.value.message
    assert len(refused.value.message) < 200
    assert things.delete([name]) == 0
    assert things.search(vector(0), exclude=[name]) == []


def test_a_page_of_an_impossible_modality_is_refused(things):
    """What names no modality is not silently empty."""
    with pytest.raises(errors.ParameterError, match="modality"):
        things.page(1, modality="\ud800")


def test_pages_show_every_item_once_in_order(things):
    """Following the cursors gives all items in the order they were first stored."""
    names = [f"item-{i:02d}" for i in np.random.default_rng(0).permutation(25)]
    for name in names:
        things.upsert([item(name, 1, "image" if name < "item-12" else "text")])
    things.upsert([item(names[0], 2, "image" if names[0] < "item-12" else "text")])

    def walk(**more):
        seen, cursor = [], None
        while True:
            page = things.page(4, cursor, **more)
            seen += [one.id for one in page.items]
            if page.next_cursor is None:
                return seen
            assert len(page.items) == 4
            cursor = page.next_cursor

    assert walk() == names
    assert walk(modality="image") == [name for name in names if name < "item-12"]
    assert walk(modality="audio") == []


def test_pages_go_on_after_their_last_item_was_deleted(things):
    """A cursor does not depend on the item it stands at."""
    things.upsert([item(str(i), i) for i in range(6)])
    first = things.page(3)
    things.delete(["1", "2", "3"])
    assert [one.id for one in things.page(3, first.next_cursor).items] == ["4", "5"]


def test_a_full_last_page_has_no_cursor(things):
    """The end is told on the last page, not by an empty one after it."""
    things.upsert([item(str(i), i) for i in range(4)])
    second = things.page(2, things.page(2).next_cursor)
    assert [one.id for one in second.items] == ["2", "3"]
    assert second.next_cursor is None


@pytest.mark.parametrize("cursor", ["", "x", "ä", "c2VxOg", "c2VxOi01", "c2VxOjFfMA", "A" * 1000, 7])
def test_a_foreign_cursor_is_refused(things, cursor):
    """Only what an earlier page handed out is accepted."""
    with pytest.raises(errors.CursorError, match="next_cursor"):
        things.page(2, cursor)


@pytest.mark.parametrize("limit", [0, -1, True, 2.0, 2**60])
def test_a_page_needs_a_limit_of_at_least_one(things, limit):
    """The message names the limit."""
    with pytest.raises(errors.ParameterError, match="limit"):
        things.page(limit)


def deep(levels):
    return {} if levels == 1 else {"d": deep(levels - 1)}


BAD_VECTOR = np.array([1] * (DIMENSION - 1) + [np.nan], dtype=np.float32)

BAD_ITEMS = [
    (item(""), errors.ItemIdError, "non-empty"),
    (item("x" * 513), errors.ItemIdError, "513 bytes.*512"),
    (item("ü" * 257), errors.ItemIdError, "514 bytes.*512"),
    (item("a\x00b"), errors.ItemIdError, "control"),
    (item("a\nb"), errors.ItemIdError, "control"),
    (item("a\ud800"), errors.ItemIdError, "control"),
    (item(7), errors.ItemIdError, "non-empty string"),
    (item("a", modality="../image"), errors.ParameterError, "modality"),
    (item("a", modality=""), errors.ParameterError, "modality"),
    (item("a", metadata=[1]), errors.MetadataError, "JSON object"),
    (item("a", metadata=None), errors.MetadataError, "JSON object"),
    (item("a", metadata={"k": float("nan")}), errors.MetadataError, "finite"),
    (item("a", metadata={"k": {1}}), errors.MetadataError, "set"),
    (item("a", metadata={1: 2}), errors.MetadataError, "strings"),
    (item("a", metadata={"k": "\ud800"}), errors.MetadataError, "surrogates"),
    (item("a", metadata={"k": "x" * METADATA_BYTES}), errors.MetadataError, "at most 65536"),
    (item("a", metadata=deep(17)), errors.MetadataError, "deeper than 16"),
    (item("a", metadata=deep(100_000 // 200)), errors.MetadataError, "deeper than 16"),
    (item("a", media_type="image/png\nx"), errors.ParameterError, "media type"),
    (Item("a", "image", ()), errors.VectorError, "at least one"),
    (
        Item("a", "image", (Row(np.ones(7, dtype=np.float32)),)),
        errors.VectorError,
        r"shape \(7,\).*8 numbers",
    ),
    (Item("a", "image", (Row(np.ones((1, 8), dtype=np.float32)),)), errors.VectorError, r"shape \(1, 8\)"),
    (Item("a", "image", (Row(BAD_VECTOR),)), errors.VectorError, "NaN"),
    (Item("a", "image", (Row(np.full(8, np.inf, dtype=np.float32)),)), errors.VectorError, "infinity"),
    (Item("a", "image", (Row(np.zeros(8, dtype=np.float32)),)), errors.VectorError, "zeros"),
    (Item("a", "image", (Row(["x"] * 8),)), errors.VectorError, "numbers"),
    (Item("a", "audio", (Row(vector(1), Segment(2, 1)),)), errors.ParameterError, "segment"),
    (Item("a", "audio", (Row(vector(1), Segment(0, float("nan"))),)), errors.ParameterError, "segment"),
]


@pytest.mark.parametrize(("bad", "kind", "message"), BAD_ITEMS)
def test_one_bad_item_leaves_the_whole_batch_unwritten(things, bad, kind, message):
    """The error tells what is wrong; neighbours, the item before it and media are as they were."""
    things.upsert([item("there", 1, metadata={"k": 1})])
    with pytest.raises(kind, match=message):
        things.check(bad)
    with pytest.raises(kind, match=message):
        things.upsert([item("there", 2), item("new", 3, media=b"new"), bad])
    assert [one.id for one in things.page(10).items] == ["there"]
    assert things.get("there").metadata == {"k": 1}
    assert media_files(things) == []
    assert_picture_is_true(things)


@pytest.mark.parametrize(
    "good",
    [
        item("x" * 512),
        item("a", metadata=deep(16)),
        item("a", metadata={"k": "x" * (METADATA_BYTES - 9)}),
        Item("a", "image", (Row(np.full(8, 3e38, dtype=np.float32)),)),
        Item("a", "image", (Row(np.full(8, 1e-45, dtype=np.float32)),)),
    ],
    ids=["id", "depth", "size", "huge", "tiny"],
)
def test_the_last_accepted_values_are_accepted(things, good):
    """Limits are inclusive, and only the direction of a vector counts."""
    things.check(good)
    things.upsert([good])
    _, vectors = things.vectors(good.id)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_one_id_twice_in_a_batch_is_refused(things):
    """Which of the two should win is not guessed."""
    with pytest.raises(errors.DuplicateId, match="'a'"):
        things.upsert([item("a", 1), item("b", 2), item("a", 3)])
    assert things.info().items == {}


def test_an_empty_batch_changes_nothing(things):
    """No items, no transaction, no error."""
    things.upsert([])
    assert things.info().items == {}
    assert things.delete([]) == 0
