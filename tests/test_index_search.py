"""Search against brute force in numpy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index import Item, Row, Segment, Store, errors
from tests.index_samples import DIMENSION, MODEL, collection_in, item, vector

MODALITIES = ("image", "text", "audio")


@pytest.fixture
def things(tmp_path):
    store, collection = collection_in(tmp_path)
    yield collection
    store.close()


def brute_force(items, query, *, modality, passes=lambda _: True, exclude=()):
    """(id, score) of every item of the modality by its best row, best first, ties by id."""
    query = query.astype(np.float64) / np.linalg.norm(query.astype(np.float64))
    found = []
    for one in items.values():
        if one.modality == modality and one.id not in exclude and passes(one.metadata):
            rows = np.stack([row.vector for row in one.rows]).astype(np.float64)
            unit = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32).astype(np.float64)
            found.append((one.id, float(np.float32((unit * query.astype(np.float32)).sum(axis=1).max()))))
    return sorted(found, key=lambda pair: (-pair[1], pair[0]))


def random_items(rng, count, *, copies=0.2, most_rows=4):
    """Items of one to `most_rows` rows; some rows are copies of another's, so that there are ties."""
    items, pool = [], [rng.normal(size=DIMENSION).astype(np.float32) for _ in range(5)]
    for i in range(count):
        rows = tuple(
            Row(
                pool[rng.integers(5)]
                if rng.random() < copies
                else rng.normal(size=DIMENSION).astype(np.float32)
            )
            for _ in range(rng.integers(1, most_rows + 1))
        )
        items.append(Item(f"i{i:03d}", MODALITIES[rng.integers(3)], rows, {"n": int(rng.integers(10))}))
    return items


ASKED = st.fixed_dictionaries(
    {
        "limit": st.integers(1, 70),
        "offset": st.integers(0, 20),
        "score_threshold": st.none() | st.floats(-1, 1),
    }
)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 60),
    asked=ASKED,
    n=st.none() | st.integers(0, 9),
)
def test_search_equals_brute_force(tmp_path_factory, seed, count, asked, n):
    """After upserts and deletes, with filter, exclusions, offset, threshold: the same ids in order."""
    rng = np.random.default_rng(seed)
    with Store.open(tmp_path_factory.mktemp("data")) as store:
        things, _ = store.create("things", **MODEL)
        truth = {}
        for batch in (random_items(rng, count), random_items(rng, count // 2)):
            things.upsert(batch)
            truth |= {one.id: one for one in batch}
            gone = [name for name in truth if rng.random() < 0.2]
            things.delete(gone)
            truth = {name: one for name, one in truth.items() if name not in gone}
        exclude = {name for name in truth if rng.random() < 0.1}
        query = rng.normal(size=DIMENSION).astype(np.float32)
        filter_ = None if n is None else {"must": [{"key": "n", "match": {"value": n}}]}
        for modality in MODALITIES:
            hits = things.search(query, modalities=[modality], filter=filter_, exclude=exclude, **asked)
            expected = brute_force(
                truth, query, modality=modality, passes=lambda m: n is None or m["n"] == n, exclude=exclude
            )
            least = asked["score_threshold"]
            expected = [pair for pair in expected if least is None or pair[1] >= least]
            expected = expected[asked["offset"] :][: asked["limit"]]
            assert [hit.id for hit in hits] == [name for name, _ in expected]
            np.testing.assert_allclose(
                [hit.score for hit in hits], [score for _, score in expected], atol=2e-7
            )


def test_many_rows_of_one_item_do_not_crowd_out_the_others(things):
    """A recording of 500 segments near the query is one hit, and the next items are still found."""
    rng = np.random.default_rng(0)
    near = vector(0)
    rows = tuple(
        Row(near + rng.normal(size=DIMENSION).astype(np.float32) * 1e-3, Segment(i, i + 2))
        for i in range(500)
    )
    things.upsert([Item("long", "audio", rows), *(item(f"b{i}", i, "audio") for i in range(1, 20))])
    hits = things.search(near, limit=5)
    assert hits[0].id == "long"
    assert len({hit.id for hit in hits}) == 5
    best = int(np.argmax([row.vector @ near / np.linalg.norm(row.vector) for row in rows]))
    assert hits[0].segment == Segment(best, best + 2)


@pytest.mark.parametrize("group", ["few", "many"])
def test_a_filter_is_exact_whether_it_passes_few_rows_or_many(things, group):
    """Ties, several rows per item and thresholds too, on a shelf of 600 rows of which 40 or 560 pass."""
    rng = np.random.default_rng(5)
    items = random_items(rng, 600, most_rows=1)
    items = [
        Item(one.id, "image", one.rows * (1 + i % 2), {"group": "few" if i % 15 == 0 else "many"})
        for i, one in enumerate(items)
    ]
    things.upsert(items)
    truth = {one.id: one for one in items}
    query = rng.normal(size=DIMENSION).astype(np.float32)
    expected = brute_force(
        truth, query, modality="image", passes=lambda m: m["group"] == group, exclude={"i000"}
    )
    for limit, least in ((7, None), (1000, None), (1000, 0.2)):
        hits = things.search(
            query,
            limit=limit,
            filter={"must": [{"key": "group", "match": {"value": group}}]},
            exclude={"i000"},
            score_threshold=least,
        )
        best = [name for name, score in expected if least is None or score >= least][:limit]
        assert [hit.id for hit in hits] == best


def test_ties_are_ordered_by_id_even_across_the_limit(things):
    """Of a hundred equal vectors the first ids come first, whatever order they were stored in."""
    names = [f"t{i:03d}" for i in np.random.default_rng(1).permutation(100)]
    things.upsert([item(name, 1) for name in names])
    assert [hit.id for hit in things.search(vector(1), limit=3)] == ["t000", "t001", "t002"]
    assert [hit.id for hit in things.search(vector(1), limit=3, offset=50)] == ["t050", "t051", "t052"]


def test_a_hit_carries_what_was_stored(things):
    """Score, metadata, segment and the best row's vector."""
    things.upsert([Item("a", "audio", (Row(vector(1)), Row(vector(2), Segment(1, 3))), {"k": [1]})])
    (hit,) = things.search(5 * vector(2))
    assert (hit.id, hit.modality, hit.metadata, hit.segment) == ("a", "audio", {"k": [1]}, Segment(1, 3))
    assert hit.score == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(hit.vector, vector(2), atol=1e-7)


def test_modalities_choose_the_shelves(things):
    """All by default, those asked for otherwise; one without items finds nothing."""
    things.upsert([item("i", 1, "image"), item("t", 2, "text"), item("a", 3, "audio")])
    assert {hit.id for hit in things.search(vector(0))} == {"i", "t", "a"}
    assert {hit.id for hit in things.search(vector(0), modalities=["text", "audio", "text"])} == {"t", "a"}
    assert things.search(vector(0), modalities=["depth"]) == []
    assert things.search(vector(0), modalities=[]) == []


def test_per_modality_is_a_quota(things):
    """No modality gives more hits than that, and each gives its best."""
    things.upsert([item(f"{modality}{i}", i, modality) for modality in MODALITIES for i in range(10)])
    hits = things.search(vector(0), limit=100, per_modality=2)
    assert sorted(hit.modality for hit in hits) == sorted(MODALITIES * 2)
    for modality in MODALITIES:
        alone = things.search(vector(0), limit=2, modalities=[modality])
        assert [hit.id for hit in alone] == [hit.id for hit in hits if hit.modality == modality]


def test_pages_of_a_search_make_up_the_whole(things):
    """Walking with offset shows the same list as one large limit, several modalities together."""
    rng = np.random.default_rng(3)
    things.upsert(random_items(rng, 80))
    query = vector(9)
    whole = [hit.id for hit in things.search(query, limit=1000)]
    assert len(whole) == 80
    walked = [hit.id for start in range(0, 90, 7) for hit in things.search(query, limit=7, offset=start)]
    assert walked == whole


def test_an_empty_collection_finds_nothing(things):
    """Before the first item, and after the last is deleted."""
    assert things.search(vector(0)) == []
    things.upsert([item("a")])
    things.delete(["a"])
    assert things.search(vector(0)) == []
    assert things.info().shelves == {}


def test_excluding_everything_finds_nothing(things):
    """Exclusions and filters may leave no row at all."""
    things.upsert([item("a", 1), item("b", 2)])
    assert things.search(vector(0), exclude={"a", "b", "unknown"}) == []
    assert things.search(vector(0), filter={"must": [{"key": "k", "exists": True}]}) == []
    both = {"must_not": [{"key": "k", "exists": True}]}
    assert [hit.id for hit in things.search(vector(0), filter=both, exclude=["a"])] == ["b"]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (np.ones(7), "8 numbers"),
        (np.zeros(8), "zeros"),
        ([float("nan")] * 8, "NaN"),
        (["a"] * 8, "numbers"),
        (None, "shape"),
    ],
)
def test_a_query_vector_that_has_no_direction_here_is_refused(things, query, message):
    """The same rules as for stored vectors."""
    things.upsert([item("a")])
    with pytest.raises(errors.VectorError, match=message):
        things.search(query)


@pytest.mark.parametrize("words", [{"limit": 0}, {"offset": -1}, {"per_modality": 0}, {"limit": True}])
def test_counts_outside_their_range_are_refused(things, words):
    """The message names the parameter."""
    with pytest.raises(errors.ParameterError, match=next(iter(words))):
        things.search(vector(0), **words)


def test_a_huge_limit_gives_what_there_is(things):
    """No memory is spent on rows that do not exist."""
    things.upsert([item(str(i), i) for i in range(5)])
    assert len(things.search(vector(0), limit=10**9)) == 5
    assert things.search(vector(0), limit=5, offset=10**9) == []
