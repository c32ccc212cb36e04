"""Small searches take a shorter way to the same answers and errors."""

import orjson
import pytest

VECTOR = [1.0, *[0.0] * 15]
BODIES = [
    {"query": {"vector": VECTOR}, "limit": 2},
    {"query": "a dog"},
    {"query": {"id": "a"}},
    {"query": [{"text": "a dog"}, {"vector": VECTOR, "weight": -0.5}], "with_vector": True},
    {"query": {"vector": [1.0]}},
    {"query": {"vector": ["x"]}},
    {"query": {"id": "nobody"}},
    {"query": {"image": "no base64 !"}},
    {"query": "a dog", "limit": 0},
    {"query": "a dog", "colour": "red"},
    {"query": "a dog", "filter": {"must": [{"key": 3}]}},
    {},
    [],
]


@pytest.fixture
def filled(serve):
    """A server with the collection `things`, which has two items."""
    client = serve()
    client.put("/v1/collections/things", json={})
    items = [{"id": name, "content": {"text": name}} for name in ("a", "b")]
    assert client.post("/v1/collections/things/items", json={"items": items}).json()["stored"] == 2
    return client


def asked(client, body, content_type, name="things"):
    """Status and answer."""
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    answer = client.post(
        f"/v1/collections/{name}/search", content=data, headers={"content-type": content_type}
    )
    return answer.status_code, answer.json()


@pytest.mark.parametrize("body", [*BODIES, b"{", b'{"query": "\xff"}'])
@pytest.mark.parametrize("name", ["things", "nothing"])
def test_both_ways_give_the_same(filled, body, name):
    """A content type with a parameter takes the framework's way; answers and errors are equal."""
    short = asked(filled, body, "application/json", name)
    assert short == asked(filled, body, "application/json; charset=utf-8", name)


@pytest.mark.parametrize(
    "body",
    [
        {"input": "a dog", "user": "me"},
        {"input": ["a dog", "rain"], "encoding_format": "base64"},
        {"input": [[1, 2, 3]]},
        {"input": [{"image": "no base64 !"}]},
        {"input": "a dog", "model": "nobody"},
        {"input": "a dog", "dimensions": "3"},
        {"input": []},
        {},
    ],
)
def test_embeddings_are_the_same_both_ways(filled, body):
    """Vectors and errors of the short way are those of the framework's."""
    answers = [
        filled.post("/v1/embeddings", content=orjson.dumps(body), headers={"content-type": kind})
        for kind in ("application/json", "application/json; charset=utf-8")
    ]
    assert answers[0].status_code == answers[1].status_code
    assert answers[0].json() == answers[1].json()


def test_the_short_way_is_taken(filled):
    """A plain search is answered by the quick route, what it cannot read by the framework's."""
    routes = filled.app.router.routes
    quick = {route.path: route for route in routes if type(route).__name__ == "QuickRoute"}
    assert quick.keys() == {"/v1/embeddings", "/v1/collections/{name}/search"}
    route = quick["/v1/collections/{name}/search"]
    assert asked(filled, {"query": "a dog"}, "application/json")[0] == 200
    scope = {"type": "http", "method": "POST", "path": "/v1/collections/things/search"}
    headers = [(b"content-type", b"application/json"), (b"content-length", b"20")]
    assert route.matches({**scope, "headers": headers})[0].name == "FULL"
    for other in ([(b"content-type", b"application/json")], [*headers, (b"content-encoding", b"gzip")]):
        assert route.matches({**scope, "headers": other})[0].name == "NONE"


def test_it_is_counted_under_the_same_name(filled):
    """Metrics know one route, whichever way a request took."""
    asked(filled, {"query": "a dog"}, "application/json")
    asked(filled, {"query": "a dog"}, "application/json; charset=utf-8")
    asked(filled, {"query": "a dog", "limit": 0}, "application/json")
    counted = [line for line in filled.get("/metrics").text.splitlines() if "/search" in line]
    assert {line.split('route="')[1].split('"')[0] for line in counted} == {"/v1/collections/{name}/search"}
