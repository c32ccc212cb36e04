"""Bad writes and filters over HTTP: a clear 4xx, and nothing of them is there afterwards."""

import json

import pytest

GOOD = [1.0] + [0.0] * 15
DEEP = 100_000


def nested(levels):
    value = {}
    for _ in range(levels - 1):
        value = {"d": value}
    return value


def bad(**words):
    """An item that is fine but for these words."""
    return {"id": "bad", "vector": GOOD, "modality": "image", **words}


BAD_ITEMS = {
    "a vector of another length": (bad(vector=[1.0] * 15), 422, ["15", "16"]),
    "a vector of no length": (bad(vector=[]), 400, ["vector"]),
    "a vector of zeros": (bad(vector=[0.0] * 16), 422, ["zero"]),
    "numbers beyond float32": (bad(vector=[1e300] * 16), 422, ["1e+38"]),
    "a vector of words": (bad(vector=["a"] * 16), 400, ["numbers"]),
    "a vector of null": (bad(vector=[None] * 16), 400, ["numbers"]),
    "an id of 10 kB": (bad(id="x" * 10_000), 400, ["10000", "512"]),
    "an empty id": (bad(id=""), 400, ["non-empty"]),
    "an id with a line break": (bad(id="a\nb"), 400, ["control"]),
    "a number as id": (bad(id=7), 400, ["string"]),
    "metadata of 1 MB": (bad(metadata={"k": "x" * 1_000_000}), 400, ["1000009", "65536"]),
    "metadata 17 deep": (bad(metadata=nested(17)), 400, ["16"]),
    "metadata 200 deep": (bad(metadata=nested(200)), 400, ["16"]),
    "metadata that is a list": (bad(metadata=[1]), 400, ["object"]),
    "an unknown modality": (bad(modality="smell"), 400, ["thermal"]),
    "an unknown field": (bad(colour="red"), 400, ["colour", "metadata"]),
}


def raw(text):
    return {"content": text.encode(), "headers": {"content-type": "application/json"}}


def of_items(text):
    """A body with one item of which a part is written by hand, between two good ones."""
    good = [json.dumps({"id": name, "content": name}) for name in ("before", "after")]
    return raw(f'{{"items": [{good[0]}, {text}, {good[1]}]}}')


BAD_BODIES = {
    "NaN": (of_items('{"id": "bad", "modality": "image", "vector": [NaN]}'), ["JSON"]),
    "infinity": (of_items('{"id": "bad", "modality": "image", "vector": [Infinity]}'), ["JSON"]),
    "metadata 100 000 deep": (
        of_items('{"id": "bad", "content": "a", "metadata": ' + '{"d":' * DEEP + "1" + "}" * DEEP + "}"),
        ["JSON", "depth"],
    ),
    "lists 100 000 deep": (
        of_items('{"id": "bad", "vector": ' + "[" * DEEP + "]" * DEEP + "}"),
        ["JSON", "depth"],
    ),
    "a list in place of items": ({"json": []}, ["object"]),
    "no items": ({"json": {"items": []}}, ["items"]),
    "an unknown field beside items": ({"json": {"items": [bad()], "mode": "fast"}}, ["mode"]),
}


def condition(**words):
    return {"must": [{"key": "n", **words}]}


def filter_deep(levels):
    value = condition(exists=True)
    for _ in range(levels - 1):
        value = {"must": [value]}
    return value


BAD_FILTERS = {
    "no key": ({"must": [{"match": {"value": 1}}]}, ["key"]),
    "no test": ({"must": [{"key": "n"}]}, ["match", "range", "exists"]),
    "an unknown clause": ({"all": []}, ["must", "should"]),
    "a list as filter": ([], ["object", "dict"]),
    "a range of words": (condition(range={"gte": "soon"}), ["range"]),
    "17 levels": (filter_deep(17), ["16"]),
    "1 001 conditions": ({"should": [{"key": "n", "match": {"value": i}} for i in range(1001)]}, ["1000"]),
    "10 001 values": (condition(match={"any": list(range(10_001))}), ["10000"]),
}


def stored(client, collection):
    items = client.get(f"{collection}/items?with_vector=true").json()["items"]
    return {one["id"]: one for one in items}


@pytest.mark.parametrize("what", BAD_ITEMS)
def test_a_bad_item_leaves_no_trace(client, collection, what):
    """Its result names the fault, an item of its id stays as it was, its neighbours are stored."""
    item, status, words = BAD_ITEMS[what]
    client.post(f"{collection}/items", json={"items": [bad(metadata={"old": True})]})
    before = stored(client, collection)
    alone = client.post(f"{collection}/items", json={"items": [item]})
    assert alone.status_code == 422, alone.text
    assert stored(client, collection) == before
    items = [{"id": "before", "content": "a"}, item, {"id": "after", "content": "b"}]
    answer = client.post(f"{collection}/items", json={"items": items})
    assert answer.status_code == 200, answer.text
    assert [each["status"] for each in answer.json()["results"]] == ["stored", "error", "stored"]
    error = answer.json()["results"][1]["error"]
    assert [word for word in words if word not in error["message"]] == [], error
    assert len(error["message"]) < 700
    assert error["type"] == "invalid_request_error"
    after = stored(client, collection)
    assert {name: after[name] for name in before} == before
    assert set(after) == {*before, "before", "after"}
    assert status in (400, 422)


def test_an_id_twice_in_a_request_is_refused_the_second_time(client, collection):
    """The first one is stored, and which it was can be told."""
    items = [bad(metadata={"n": n}) for n in range(3)]
    answer = client.post(f"{collection}/items", json={"items": items})
    assert [each["status"] for each in answer.json()["results"]] == ["stored", "error", "error"]
    assert answer.json()["results"][1]["error"]["code"] == "duplicate_id"
    assert stored(client, collection)["bad"]["metadata"] == {"n": 0}


@pytest.mark.parametrize("what", BAD_BODIES)
def test_a_body_that_cannot_be_read_stores_nothing(client, collection, what):
    """400 at once for the whole request, good items in it included."""
    request, words = BAD_BODIES[what]
    answer = client.post(f"{collection}/items", **request)
    assert answer.status_code == 400, answer.text
    message = answer.json()["error"]["message"]
    assert any(word in message for word in words), message
    assert stored(client, collection) == {}


@pytest.mark.parametrize("what", BAD_FILTERS)
def test_a_bad_filter_deletes_and_finds_nothing(client, collection, what):
    """400 from searches and deletions, and all items are still there."""
    client.post(f"{collection}/items", json={"items": [bad(metadata={"n": 1})]})
    filter_, words = BAD_FILTERS[what]
    for path, body in (("search", {"query": "a", "filter": filter_}), ("items/delete", {"filter": filter_})):
        answer = client.post(f"{collection}/{path}", json=body)
        assert answer.status_code == 400, answer.text
        message = answer.json()["error"]["message"]
        assert any(word in message for word in words), message
    assert set(stored(client, collection)) == {"bad"}


@pytest.mark.parametrize("path", ["search", "items/delete"])
def test_a_filter_100_000_deep_is_refused(client, collection, path):
    """By the reader of the JSON, not by a stack that ends."""
    text = '{"query": "a", "filter": ' + '{"must": [' * DEEP + "]}" * DEEP + "}"
    answer = client.post(f"{collection}/{path}", **raw(text))
    assert answer.status_code == 400
    assert "depth" in answer.json()["error"]["message"]


def test_a_filter_on_a_field_that_no_item_has_finds_nothing(client, collection):
    """Metadata have no schema: `match` and `range` pass nobody, `must_not` everybody, nothing is deleted."""
    client.post(f"{collection}/items", json={"items": [bad(metadata={"n": 1})]})
    for test in ({"match": {"value": 1}}, {"range": {"gte": 0}}, {"exists": True}):
        absent = {"key": "nowhere.to.be.found", **test}
        for clause, found in (("must", []), ("must_not", ["bad"])):
            body = {"query": {"vector": GOOD, "modality": "image"}, "filter": {clause: [absent]}}
            answer = client.post(f"{collection}/search", json=body)
            assert [hit["id"] for hit in answer.json()["results"]] == found
        deleted = client.post(f"{collection}/items/delete", json={"filter": {"must": [absent]}})
        assert deleted.json() == {"deleted": 0}
    assert set(stored(client, collection)) == {"bad"}
