"""Small searches take a shorter way to the same answers and errors."""

import asyncio
from types import SimpleNamespace

import httpx
import numpy as np
import orjson
import pytest
from pydantic import BaseModel, ConfigDict

from service.answers import Answer
from service.quick_routes import QuickJSON, QuickRoutes
from tests.media_files import picture_bytes, png

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
PICTURE = ("a.png", png(9, 7), "image/png")
OTHER = ("b.jpg", picture_bytes(np.full((5, 6, 3), 90, np.uint8), "JPEG"))


def encoded_form(form):
    """The body and the content type of a form, made by a client's library."""
    request = httpx.Request("POST", "http://here", files=form)
    return request.read(), request.headers["content-type"]


class Asked(BaseModel):
    """The body of a made-up endpoint."""

    model_config = ConfigDict(extra="forbid")
    word: str


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


@pytest.mark.parametrize("name", ["image", "depth", "smell", "a b"])
@pytest.mark.parametrize(
    "form",
    [
        [("file", PICTURE)],
        [("file", OTHER), ("encoding_format", (None, "base64"))],
        [("file", ("b.png", b"no picture"))],
        [("file", PICTURE), ("colour", (None, "red"))],
        [("file", PICTURE), ("dimensions", (None, "none"))],
        [("file", PICTURE), ("model", (None, "nobody"))],
        [("other", PICTURE)],
        [("file", (None, "text"))],
    ],
)
def test_uploads_are_the_same_both_ways(filled, form, name):
    """A content-encoding that packs nothing takes the framework's way."""
    data, kind = encoded_form(form)
    short, long = (
        filled.post(f"/v1/embeddings/{name}", content=data, headers={"content-type": kind, **more})
        for more in ({}, {"content-encoding": "identity"})
    )
    assert short.status_code == long.status_code
    assert short.json() == long.json()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "multipart/form-data; boundary=b"),
        (b"--b\r\n", "multipart/form-data; boundary=b"),
        (b"no form", "multipart/form-data; boundary=b"),
        (b"--b--\r\n", "multipart/form-data; boundary="),
        (b"--b--\r\n", "multipart/form-data;"),
        (b"--b--\r\n", "multipart/form-data"),
    ],
)
def test_broken_forms_are_told_the_same_both_ways(filled, data, kind):
    """Those that end early, or have no boundary."""
    short, long = (
        filled.post("/v1/embeddings/image", content=data, headers={"content-type": kind, **more})
        for more in ({}, {"content-encoding": "identity"})
    )
    assert 400 <= short.status_code < 500
    assert (short.status_code, short.json()) == (long.status_code, long.json())


def way_taken(body, *headers):
    """Whether a quick route or the application behind it answers a POST of `body` to /short."""

    async def short(body, engine):
        return Answer({"way": "short"})

    async def long(scope, receive, send):
        message = await receive()
        await Answer({"way": "long", "body": message["body"].decode()})(scope, receive, send)

    engine = SimpleNamespace(check_serving=lambda: None)
    inner = QuickRoutes(long, [QuickJSON("/short", Asked, short)])

    async def app(scope, receive, send):
        await inner({**scope, "app": SimpleNamespace(state=SimpleNamespace(engine=engine))}, receive, send)

    async def ask():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return (await client.post("/short", content=body, headers=dict(headers))).json()

    return asyncio.run(ask())


def test_the_short_way_is_taken():
    """By plain JSON that fits; anything else is passed on whole."""
    plain = ("content-type", "application/json")
    assert way_taken(b'{"word": "a"}', plain) == {"way": "short"}
    for body in (b'{"word": 3}', b"{", b'{"other": "a"}'):
        assert way_taken(body, plain) == {"way": "long", "body": body.decode()}
    for others in ([plain, ("content-encoding", "identity")], [("content-type", "application/json; a=b")]):
        assert way_taken(b'{"word": "a"}', *others)["way"] == "long"


def test_it_is_counted_under_the_same_name(filled):
    """Metrics know one route, whichever way a request took."""
    asked(filled, {"query": "a dog"}, "application/json")
    asked(filled, {"query": "a dog"}, "application/json; charset=utf-8")
    asked(filled, {"query": "a dog", "limit": 0}, "application/json")
    counted = [line for line in filled.get("/metrics").text.splitlines() if "/search" in line]
    assert {line.split('route="')[1].split('"')[0] for line in counted} == {"/v1/collections/{name}/search"}
