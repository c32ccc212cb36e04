"""The filter grammar, condition by condition."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index import columns, errors, filters
from tests.index_samples import collection_in, item, vector

PHOTO = {
    "iso": 100,
    "ratio": 1.5,
    "good": True,
    "none": None,
    "tags": ["sea", "Sun", 7],
    "empty": [],
    "camera": {"iso": 200, "lens": {"name": "50mm"}},
    "people": [{"name": "Ada", "age": 36}, {"name": "Bob"}],
    "dotted.key": "plain",
    "taken": "2024-05-01T12:00:00+02:00",
    "day": "2024-05-01",
}


def passes(*conditions, clause="must"):
    return filters.parse({clause: list(conditions)})(PHOTO)


def match(key, **words):
    return {"key": key, "match": words}


def within(key, **bounds):
    return {"key": key, "range": bounds}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (match("iso", value=100), True),
        (match("iso", value=100.0), True),
        (match("iso", value="100"), False),
        (match("iso", value=101), False),
        (match("good", value=True), True),
        (match("good", value=1), False),
        (match("iso", value=True), False),
        (match("tags", value="sea"), True),
        (match("tags", value="sun"), False),
        (match("tags", value=7), True),
        (match("empty", value=""), False),
        (match("missing", value="x"), False),
        (match("none", value="x"), False),
        (match("camera", value="x"), False),
        (match("camera.iso", value=200), True),
        (match("camera.lens.name", value="50mm"), True),
        (match("camera.lens.name.more", value="50mm"), False),
        (match("people.name", value="Bob"), True),
        (match("people.name", value="Cid"), False),
        (match("dotted.key", value="plain"), True),
        (match("iso", any=[1, 100]), True),
        (match("iso", any=[]), False),
        (match("tags", any=["x", "Sun"]), True),
        (match("good", any=[1, "true"]), False),
        (match("iso", **{"except": [1, 2]}), True),
        (match("iso", **{"except": [1, 100]}), False),
        (match("tags", **{"except": ["sea"]}), True),
        (match("tags", **{"except": ["sea", "Sun", 7]}), False),
        (match("missing", **{"except": [1]}), False),
        (match("camera", **{"except": ["x"]}), False),
        (match("people", **{"except": ["x"]}), False),
        (match("people.name", **{"except": ["Ada"]}), True),
        (match("none", **{"except": ["x"]}), False),
        (match("empty", **{"except": ["x"]}), False),
        ({"must_not": [match("camera", any=["x"])]}, True),
        ({"must_not": [match("none", any=["x"])]}, True),
        (within("iso", gt=99), True),
        (within("iso", gt=100), False),
        (within("iso", gte=100, lte=100), True),
        (within("iso", gte=100, lt=100), False),
        (within("ratio", gt=1, lt=2), True),
        (within("good", gte=0), False),
        (within("tags", gte=7), True),
        (within("people.age", gt=30), True),
        (within("missing", gt=0), False),
        (within("day", gt=0), False),
        (within("taken", gte="2024-05-01T10:00:00Z", lte="2024-05-01T10:00:00Z"), True),
        (within("taken", lt="2024-05-01T10:00:00.5Z"), True),
        (within("taken", gt="2024-05-01t13:00:00+03:00"), False),
        (within("taken", gt="2024-04-30", lt="2024-05-02"), True),
        (within("day", gte="2024-05-01T00:00:00Z", lt="2024-05-01T00:00:01Z"), True),
        (within("iso", gt="2024-04-30"), False),
        (within("tags", gt="2024-04-30"), False),
        ({"key": "iso", "exists": True}, True),
        ({"key": "iso", "exists": False}, False),
        ({"key": "camera", "exists": True}, True),
        ({"key": "camera.lens", "exists": True}, True),
        ({"key": "people.age", "exists": True}, True),
        ({"key": "missing", "exists": True}, False),
        ({"key": "missing", "exists": False}, True),
        ({"key": "none", "exists": True}, False),
        ({"key": "empty", "exists": True}, False),
    ],
)
def test_a_condition(condition, expected):
    """The condition holds or not, and must_not is its opposite."""
    assert passes(condition) is expected
    assert passes(condition, clause="should") is expected
    assert passes(condition, clause="must_not") is not expected


YES, NO = match("iso", value=100), match("iso", value=1)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({}, True),
        ({"must": []}, True),
        ({"should": []}, True),
        ({"must": [YES, YES]}, True),
        ({"must": [YES, NO]}, False),
        ({"should": [NO, YES]}, True),
        ({"should": [NO, NO]}, False),
        ({"must_not": [NO, NO]}, True),
        ({"must_not": [NO, YES]}, False),
        ({"must": [YES], "should": [NO]}, False),
        ({"must": [YES], "should": [NO, YES], "must_not": [NO]}, True),
        ({"must": [{"should": [NO, {"must_not": [NO]}]}]}, True),
        ({"must_not": [{"must": [YES], "must_not": [NO]}]}, False),
    ],
)
def test_clauses_and_nesting(value, expected):
    """All of must, none of must_not, and one of should where there is one."""
    assert filters.parse(value)(PHOTO) is expected


def nested(levels):
    return {"must": [YES]} if levels == 1 else {"must": [nested(levels - 1)]}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([], ["filter must be an object", "must, should, must_not"]),
        ({"mast": []}, ["'mast'", "must, should, must_not"]),
        ({"must": {}}, ["filter.must must be a list"]),
        ({"must": [7]}, ["filter.must[0]", "match, range, exists", "nested filter"]),
        ({"must": [{}]}, ["filter.must[0].key"]),
        ({"must": [{"should": []}]}, ["filter.must[0]", "without conditions"]),
        ({"must": [{"name": 1}]}, ["'name'", "must, should, must_not"]),
        ({"must": [YES, {"key": "a"}]}, ["filter.must[1]", "exactly one of match, range, exists"]),
        ({"must": [{"key": "", "exists": True}]}, ["filter.must[0].key", "non-empty string"]),
        ({"must": [{"key": 7, "exists": True}]}, ["filter.must[0].key", "7"]),
        ({"must": [{"match": {"value": 1}}]}, ["filter.must[0].key"]),
        ({"must": [{"key": "a", "equals": 1}]}, ["'equals'", "match, range, exists"]),
        ({"must": [{**YES, "exists": True}]}, ["exactly one of"]),
        ({"must": [{**YES, "must": [YES]}]}, ["'must'", "nested filter"]),
        ({"must": [match("a", eq=1)]}, ["filter.must[0].match", "'eq'", "value, any, except"]),
        ({"must": [match("a")]}, ["exactly one of value, any, except"]),
        ({"must": [match("a", value=1, any=[1])]}, ["exactly one of value, any, except"]),
        ({"must": [match("a", value=None)]}, ["match.value", "strings, numbers, true and false"]),
        ({"must": [match("a", value=[1])]}, ["match.value", "strings, numbers, true and false"]),
        ({"must": [match("a", value=float("nan"))]}, ["match.value"]),
        ({"must": [match("a", any=1)]}, ["match.any must be a list"]),
        ({"must": [match("a", any=[{}])]}, ["match.any"]),
        ({"must": [match("a", any=[0] * 10_001)]}, ["10001 values", "at most 10000"]),
        ({"must": [within("a")]}, ["at least one of gt, gte, lt, lte"]),
        ({"must": [within("a", min=1)]}, ["'min'", "gt, gte, lt, lte"]),
        ({"must": [within("a", gt="x")]}, ["range.gt", "RFC 3339"]),
        ({"must": [within("a", gt="2024-13-01")]}, ["range.gt", "RFC 3339"]),
        ({"must": [within("a", gt=True)]}, ["range.gt", "number"]),
        ({"must": [within("a", gt=float("inf"))]}, ["range.gt", "finite"]),
        ({"must": [within("a", gt=1, lt="2024-01-01")]}, ["mixes numbers and times"]),
        ({"must": [{"key": "a", "exists": "yes"}]}, ["exists must be true or false"]),
        (nested(17), ["deeper than 16"]),
        ({"must": [YES] * 1001}, ["1000 conditions"]),
    ],
)
def test_a_malformed_filter_is_refused_with_place_and_accepted_words(value, words):
    """The message tells where the fault is and what may stand there."""
    with pytest.raises(errors.FilterError) as refused:
        filters.parse(value)
    for word in words:
        assert word in refused.value.message


def test_the_deepest_accepted_filter_is_accepted():
    """Sixteen filters inside each other still work."""
    assert filters.parse(nested(16))(PHOTO)


def test_a_very_deep_filter_does_not_exhaust_the_stack():
    """Depth is refused before Python's own limit is met."""
    value = YES
    for _ in range(50_000):
        value = {"must": [value]}
    with pytest.raises(errors.FilterError, match="deeper than"):
        filters.parse(value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["key", "match", "range", "exists", "must", "should", "must_not", "value", "any", "gt"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


scalars = (
    st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4)
)
keys = st.sampled_from(["a", "b", "a.b", 'q"', "ü", "b.ü", "\\"])
metadatas = st.dictionaries(
    keys,
    st.recursive(
        scalars | st.none(), lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=8
    ),
)


@given(metadata=metadatas, key=keys, data=st.data())
def test_what_passes_contains_the_needles(metadata, key, data):
    """Leaving rows out by their text never leaves out one that the filter would pass."""
    inside = [*metadata.values(), 100.0, 1e22, -0.0, 0, 1, 1.5, True]
    value = data.draw(st.sampled_from([one for one in inside if isinstance(one, str | int | float)]))
    stored = metadata | {"a": data.draw(st.sampled_from([value, [value], {"b": value}]))}
    for condition in (match(key, value=value), {"key": key, "exists": True}, match(key, **{"except": ["x"]})):
        holds = filters.parse({"must": [{"must": [condition]}]})
        text = json.dumps(stored, ensure_ascii=False)
        assert not holds(stored) or all(needle in text for needle in holds.needles)


@pytest.mark.parametrize(
    ("stored", "asked"),
    [(100, 100.0), (100.0, 100), (1e22, 10**22), (0, -0.0), (-0.0, 0), (0.1, 0.1), (1e-7, 1e-7)],
)
def test_equal_numbers_are_found_however_they_are_written(tmp_path, stored, asked):
    """1 and 1.0 are one number, also when the collection is asked."""
    store, things = collection_in(tmp_path)
    things.upsert([item("a", metadata={"n": stored}), item("b", metadata={"n": 7})])
    hits = things.search(vector(0), filter={"must": [match("n", value=asked)]})
    assert [hit.id for hit in hits] == ["a"]
    store.close()


def test_half_a_surrogate_pair_matches_nothing(tmp_path):
    """JSON can spell it, UTF-8 cannot: the filter passes nothing and nothing breaks."""
    store, things = collection_in(tmp_path)
    things.upsert([item("a", metadata={"n": "x"})])
    for condition in (match("n", value="\ud800"), match("\ud800", value="x"), match("n", any=["\udfff"])):
        assert things.search(vector(0), filter={"must": [condition]}) == []
    store.close()


conditions = st.builds(
    lambda key, words: {"key": key, **words},
    keys,
    st.builds(lambda value: {"match": {"value": value}}, scalars)
    | st.builds(
        lambda word, some: {"match": {word: some}}, st.sampled_from(["any", "except"]), st.lists(scalars)
    )
    | st.builds(
        lambda word, bound: {"range": {word: bound}},
        st.sampled_from(["gt", "gte", "lt", "lte"]),
        st.integers(-3, 3)
        | st.floats(-3, 3)
        | st.sampled_from([2**53 + 1, 10**400, "2024-05-01", "2024-05-02"]),
    )
    | st.builds(lambda wanted: {"exists": wanted}, st.booleans()),
)
trees = st.recursive(
    conditions,
    lambda inner: st.dictionaries(
        st.sampled_from(["must", "should", "must_not"]), st.lists(inner, min_size=1, max_size=3), min_size=1
    ),
    max_leaves=6,
)
telling = st.sampled_from([0, 1, -1.5, 2.0, True, False, None, "", "x", 2**53, 2**53 + 1, 10**400, {"b": 2}])
telling |= st.sampled_from(
    ["2024-05-01", "2024-05-01T23:59:59.5-02:00", "2024-13-01", [1, "x"], [[2.0], {"b": 1}]]
)
stored = st.dictionaries(
    keys, telling | st.lists(telling, max_size=3) | st.dictionaries(keys, telling, max_size=2)
)


@pytest.mark.parametrize("many", [0, columns.MANY])
@given(before=st.lists(stored, max_size=8), after=st.dictionaries(st.integers(1, 12), stored), tree=trees)
def test_columns_tell_what_the_metadata_tells(many, before, after, tree):
    """Read from all items or following changes, few values or many, deleted items among them."""
    holds = filters.parse({"must": [tree]})
    items = dict(enumerate(before, start=1))
    found = columns.Columns(len(items) + 1)
    found.expect()
    read = columns.read(holds.clauses.keys(), items.items())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "MANY", many)
        for changes in (after, {1: {}}):
            found.follow(changes)
            found.put(read)
            items |= changes
            passing = found.passing(holds)
            assert {item: holds(known) for item, known in items.items()} == {
                item: passing[item] for item in items
            }


def test_a_column_that_was_pushed_out_is_read_again(tmp_path, monkeypatch):
    """More keys than are kept: each filter still tells the truth."""
    monkeypatch.setattr(columns, "MOST_COLUMNS", 2)
    store, things = collection_in(tmp_path)
    things.upsert([item(f"i{n}", n, metadata={f"k{n}": n}) for n in range(6)])
    for n in (*range(6), *range(6)):
        hits = things.search(vector(0), filter={"must": [match(f"k{n}", value=n)]})
        assert [hit.id for hit in hits] == [f"i{n}"]
    store.close()


def test_filters_follow_what_is_written_after_they_were_used(tmp_path):
    """Replaced, deleted and new items, in a collection whose columns are in memory already."""
    store, things = collection_in(tmp_path)
    things.upsert([item(f"i{n}", n, metadata={"n": n}) for n in range(5)])
    low = {"must": [within("n", lt=2)]}
    found = lambda: {hit.id for hit in things.search(vector(0), filter=low)}  # noqa: E731 - asked three times
    assert found() == {"i0", "i1"}
    things.upsert([item("i0", metadata={"n": 9}), item("new", 7, metadata={"n": [5, 1]})])
    assert found() == {"i1", "new"}
    things.delete(["i1"])
    assert found() == {"new"}
    store.close()


@given(value=json_values, metadata=json_values)
def test_any_json_is_a_filter_or_a_filter_error(value, metadata):
    """Nothing a client can send raises anything else, neither when read nor when used."""
    try:
        holds = filters.parse(value)
    except errors.FilterError:
        return
    assert holds({"key": metadata}) in (True, False)
