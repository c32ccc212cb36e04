"""The Python client beside busy servers, strangers, limits and streams of asyncio."""

import asyncio
import http.server
import threading

import pytest

import sensorium_client as sc
from service.app import create_app
from service.settings import Settings
from tests.busy_gate import busy_server
from tests.conftest import running, wait_until_ready
from tests.python_client import QUICK
from tests.small_embedder import DIM, small_embedder


def test_an_item_over_the_servers_limit_fails_alone(tmp_path):
    """Too large by itself: an error for it, its neighbours stored, also the one in the same batch."""
    settings = Settings(data_dir=tmp_path, max_body_bytes=20_000)
    with running(create_app(settings, small_embedder())) as url, sc.Client(url, retries=QUICK) as client:
        wait_until_ready(url)
        large = sc.NewItem("x" * 30_000, "large")
        results = client.create("zoo").add_all([sc.NewItem("a", "a"), large, sc.NewItem("b", "b")])
        assert [(each.id, each.status) for each in results] == [
            ("a", "stored"),
            ("large", "error"),
            ("b", "stored"),
        ]
        assert "20000 bytes" in results[1].error["message"]


def test_a_stream_is_patient_with_a_busy_server(tmp_path):
    """More refusals than a single call bears, but for a time; whoever wants no retries gets none."""
    path = "/v1/collections/zoo/items"
    with busy_server(tmp_path, path, busy=12) as (gate, url), sc.Client(url, retries=QUICK) as client:
        zoo = client.create("zoo")
        results = zoo.add_all([f"text {i}" for i in range(6)], batching=sc.Batching(items=2))
        assert [each.status for each in results] == ["stored"] * 6
        assert gate.seen == 15
        gate.seen = 0
        with pytest.raises(sc.OverloadedError):
            zoo.add_all(["a"], batching=sc.Batching(patience_s=0))
        assert gate.seen == 5
    with sc.Client(url, retries=sc.Retries(attempts=1)) as client:
        assert client.retries.patient(300) == client.retries

    async def later(url):
        async with sc.AsyncClient(url, retries=QUICK) as client:
            return await (await client.create("zoo")).add_all(["a"])

    with busy_server(tmp_path / "later", path, busy=7) as (_, url):
        assert asyncio.run(later(url))[0].ok


def test_an_asynchronous_generator_can_be_stored(server):
    """Items that come by `async for`, with the other calls that the plain client has."""

    async def stream():
        for i in range(10):
            await asyncio.sleep(0)
            yield sc.NewItem(f"text {i}", id=f"t{i}")

    async def tour():
        async with sc.AsyncClient(server[1]) as client:
            assert (await client.wait_until_ready(5))["status"] == "ready"
            zoo = await client.create("async-stream")
            results = await zoo.add_all(stream(), batching=sc.Batching(items=3))
            assert [(each.position, each.id) for each in results] == [(i, f"t{i}") for i in range(10)]
            assert {each async for each in zoo.ids()} == {f"t{i}" for i in range(10)}
            await zoo.drop()

    asyncio.run(tour())


def test_both_clients_have_the_same_calls():
    """What is promised of AsyncClient."""
    for plain, awaited in ((sc.Client, sc.AsyncClient), (sc.Collection, sc.AsyncCollection)):
        names = {name for name in dir(plain) if not name.startswith("_")}
        assert names == {name for name in dir(awaited) if not name.startswith("_")}


class Stranger(http.server.BaseHTTPRequestHandler):
    """A server that is none of ours: what it answers stands in `status`, `headers_sent` and `body`."""

    status, headers_sent, body, seen = 200, {}, b"", 0

    def do_GET(self):
        type(self).seen += 1
        self.send_response(self.status)
        for name, value in {**self.headers_sent, "content-length": str(len(self.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_):
        """Tests are quiet."""


@pytest.fixture
def stranger():
    """A handler class of this test's own, and its server's address."""
    handler = type("Handler", (Stranger,), {})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        yield handler, f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "headers", "body", "said"),
    [
        (302, {"location": "https://elsewhere.example/"}, b"", "302.*https://elsewhere.example/"),
        (200, {"content-encoding": "gzip"}, b"not packed", "(?i)decompress"),
        (200, {}, b"<html>", "not Sensorium's"),
        (429, {"retry-after": "Wed, 21 Oct 2015 07:28:00 -0000"}, b"{}", "429"),
    ],
)
def test_answers_of_strangers_are_told(stranger, status, headers, body, said):
    """Redirects, broken packing, web pages, dates without a zone: always the client's own exception."""
    handler, url = stranger
    handler.status, handler.headers_sent, handler.body = status, headers, body
    with sc.Client(url, retries=QUICK) as client, pytest.raises(sc.SensoriumError, match=said):
        client.models()


def test_waiting_for_a_server_does_not_flood_it(stranger):
    """One question in a quarter of a second, until the time is over."""
    handler, url = stranger
    handler.status = 404
    with sc.Client(url, retries=QUICK) as client, pytest.raises(sc.NotFoundError):
        client.wait_until_ready(0.3)
    assert handler.seen <= 3


def test_addresses_and_keys_that_cannot_be_are_named(server):
    """Before anything is sent; an empty key is none."""
    with pytest.raises(sc.UnusableInputError, match=r"http://\[::1"):
        sc.Client("http://[::1")
    with pytest.raises(sc.UnusableInputError, match="ASCII"):
        sc.AsyncClient(server[1], api_key="ключ")
    with sc.Client(server[1], api_key="") as client:
        assert client.embed("a").shape == (DIM,)
