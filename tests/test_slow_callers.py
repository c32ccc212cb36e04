"""Callers who take their time: heads and bodies that drip, heads without end, connections without number."""

import contextlib
import json
import logging
import socket
import threading
import time

import httpx
import pytest
import uvicorn

from service.app import create_app
from service.protocol import MAX_HEAD_BYTES
from service.server import config_of
from service.settings import Settings
from tests.conftest import PATIENCE_S, wait_until_ready
from tests.small_embedder import small_embedder

BODY = b'{"input": "a dog"}'
HEAD = (
    b"POST /v1/embeddings HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
)


@pytest.fixture
def listen(tmp_path):
    """A function that starts a server as `sensorium serve` configures it, and gives its host and port."""
    with contextlib.ExitStack() as stack:

        def start(header_timeout_s=PATIENCE_S, max_connections=100, **settings):
            bounds = {"header_timeout_s": header_timeout_s, "max_connections": max_connections}
            given = Settings(data_dir=tmp_path, port=0, **bounds, **settings)
            app = create_app(given, small_embedder())
            config = config_of(app, given, app.state.engine.metrics.refused)
            server = uvicorn.Server(config)
            thread = threading.Thread(target=server.run)
            thread.start()
            stack.callback(thread.join, PATIENCE_S)
            stack.callback(setattr, server, "should_exit", True)
            while not server.started:
                time.sleep(0.01)
            address = server.servers[0].sockets[0].getsockname()
            wait_until_ready(f"http://{address[0]}:{address[1]}")
            return address

        yield start


def connected(address):
    return socket.create_connection(address, timeout=PATIENCE_S)


def last_answer(caller):
    """Everything that comes until the server closes the connection."""
    received = b""
    while chunk := caller.recv(10_000):
        received += chunk
    return received


def told(answer):
    """Status, headers and error of an answer that closed the connection."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ") for line in lines)
    assert int(headers["content-length"]) == len(body)
    return int(first.split()[1]), headers, json.loads(body)["error"]


def test_what_never_reaches_the_application_is_told_as_everything_else(listen, caplog):
    """OpenAI's error object, an id that the log has too, and a count in the metrics."""
    address = listen(header_timeout_s=0.3)
    calls = {
        b"GET /healthz HTTP/1.1\r\nhost": (408, "request_timeout"),
        b"GET /healthz HTTP/1.1\r\nhost: x\r\nx: " + b"a" * MAX_HEAD_BYTES: (431, "head_too_large"),
        b"no HTTP\r\n\r\n": (400, "malformed_request"),
    }
    with caplog.at_level(logging.INFO, "service.access"):
        for call, expected in calls.items():
            with connected(address) as caller:
                caller.sendall(call)
                status, headers, error = told(last_answer(caller))
            assert (status, error["code"]) == expected
            assert error["message"]
            logged = [each for each in caplog.records if getattr(each, "code", "") == error["code"]]
            assert [each.request_id for each in logged] == [headers["x-request-id"]]
    counted = httpx.get(f"http://{address[0]}:{address[1]}/metrics").text
    for _, code in calls.values():
        assert f'sensorium_refused_total{{code="{code}"}} 1.0' in counted


@pytest.mark.parametrize("length", [MAX_HEAD_BYTES - 100, MAX_HEAD_BYTES + 100, 2 * MAX_HEAD_BYTES])
def test_the_bound_of_a_head_holds_in_one_piece_too(listen, length):
    """A whole request in one go, on a new connection and on one that has been used."""
    address = listen()
    start = HEAD.removesuffix(b"\r\n") % len(BODY) + b"x: "
    whole = start + b"a" * (length - len(start)) + b"\r\n\r\n" + BODY
    for used in (False, True):
        with connected(address) as caller, contextlib.suppress(ConnectionError):
            if used:
                caller.sendall(HEAD % len(BODY) + BODY)
                assert caller.recv(10_000).startswith(b"HTTP/1.1 200")
            caller.sendall(whole)
            wanted = b"HTTP/1.1 200" if length <= MAX_HEAD_BYTES else b"HTTP/1.1 431"
            assert caller.recv(10_000).startswith(wanted)


def test_a_head_that_does_not_end_in_time_is_408(listen):
    """Half a head, on a new connection and after a whole request."""
    address = listen(header_timeout_s=0.3)
    with connected(address) as caller:
        caller.sendall(b"GET /healthz HTTP/1.1\r\nhost")
        assert last_answer(caller).startswith(b"HTTP/1.1 408")
    with connected(address) as caller:
        caller.sendall(HEAD % len(BODY) + BODY)
        assert caller.recv(10_000).startswith(b"HTTP/1.1 200")
        caller.sendall(b"G")
        assert b"HTTP/1.1 408" in last_answer(caller)


def test_a_connection_that_says_nothing_is_closed(listen):
    """Without an answer, since nothing was asked."""
    address = listen(header_timeout_s=0.3)
    with connected(address) as caller:
        assert last_answer(caller) == b""


def test_a_body_that_drips_is_408(listen):
    """A byte now and then does not buy time, and the head's timeout has no say any more."""
    address = listen(header_timeout_s=0.3, body_timeout_s=1.0)
    with connected(address) as caller:
        caller.sendall(HEAD % 1000 + b"{")
        answer = b""
        caller.settimeout(0.2)
        give_up = time.monotonic() + PATIENCE_S
        while not answer and time.monotonic() < give_up:
            try:
                answer = caller.recv(10_000)
            except TimeoutError:
                caller.sendall(b" ")
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"SENSORIUM_BODY_TIMEOUT_S" in answer
        assert b"request_timeout" in answer


def test_a_slow_answer_is_no_slow_request(listen):
    """A request that is whole may stay as long as its answer takes, and the connection be used again."""
    address = listen(header_timeout_s=0.3, body_timeout_s=0.3)
    with connected(address) as caller:
        for _ in range(2):
            caller.sendall(HEAD % len(BODY) + BODY)
            assert caller.recv(10_000).startswith(b"HTTP/1.1 200")
            time.sleep(0.5)


def test_a_head_without_end_is_431(listen):
    """Headers are bounded, whichever parser reads them."""
    address = listen()
    with connected(address) as caller, contextlib.suppress(ConnectionError):
        caller.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n")
        for i in range(100):
            caller.sendall(b"x-%d: %s\r\n" % (i, b"a" * 4000))
        assert last_answer(caller).startswith((b"HTTP/1.1 431", b"HTTP/1.1 400"))
    assert httpx.get(f"http://{address[0]}:{address[1]}/healthz").status_code == 200


def test_connections_beyond_the_bound_are_turned_away(listen):
    """503 with Retry-After; when others leave there is room again."""
    address = listen(max_connections=5)
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            caller = stack.enter_context(connected(address))
            caller.sendall(HEAD % len(BODY) + BODY)
            assert caller.recv(10_000).startswith(b"HTTP/1.1 200")
        with connected(address) as caller:
            answer = last_answer(caller)
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"retry-after" in answer
    give_up = time.monotonic() + PATIENCE_S
    while httpx.get(f"http://{address[0]}:{address[1]}/healthz").status_code != 200:
        assert time.monotonic() < give_up


@pytest.mark.parametrize("offer", [b"Upgrade: h2c", b"upgrade:h2c", b"Upgrade: WebSocket", b"Upgrade: a, b"])
def test_an_offer_of_another_protocol_is_passed_over(listen, offer):
    """Java's client makes one with a body behind it; the connection serves on in HTTP/1.1."""
    head = HEAD.removesuffix(b"\r\n") % len(BODY)
    head += b"Connection: Upgrade, HTTP2-Settings\r\n" + offer + b"\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"
    with connected(listen()) as caller:
        for _ in range(2):
            caller.sendall(head + BODY)
            assert caller.recv(10_000).startswith(b"HTTP/1.1 200")


def test_a_websocket_is_refused_as_any_other_path(listen):
    """Nothing here speaks its protocol: JSON with an id, and the connection goes on."""
    offer = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    with connected(listen()) as caller:
        for _ in range(2):
            caller.sendall(b"GET /v1/live HTTP/1.1\r\nhost: x\r\n" + offer + b"\r\n")
            answer = caller.recv(10_000)
            assert answer.startswith(b"HTTP/1.1 404")
            assert b"x-request-id" in answer
            assert b'"error"' in answer


def test_a_head_behind_a_request_that_is_answered_is_bounded_too(listen):
    """A connection that goes on without end while it waits is closed; its server goes on."""
    address = listen()
    texts = b'{"input": [%s]}' % b",".join([b'"a dog and a cat"'] * 200)
    with connected(address) as caller, contextlib.suppress(ConnectionError):
        caller.sendall(HEAD % len(texts) + texts + b"GET /healthz HTTP/1.1\r\nhost: x\r\n")
        for i in range(1000):
            caller.sendall(b"x-%d: %s\r\n" % (i, b"a" * 4000))
        caller.sendall(b"\r\n")
        last_answer(caller)
    counted = httpx.get(f"http://{address[0]}:{address[1]}/metrics").text
    assert 'sensorium_refused_total{code="head_too_large"} 1.0' in counted


def test_a_long_pipeline_is_answered_whole(listen):
    """Many small requests in one go are more than a head may have, and no head."""
    with connected(listen()) as caller:
        caller.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\nx: %s\r\n\r\n" % (b"a" * 100) * 1000)
        received = b""
        while received.count(b"HTTP/1.1 200") < 1000:
            received += caller.recv(100_000)


def test_who_hangs_up_in_the_middle_of_a_form_is_counted_under_its_route(listen):
    """The quick way of uploads knows its name before the body has come."""
    address = listen()
    with connected(address) as caller:
        head = HEAD.replace(b"embeddings", b"embeddings/image").replace(
            b"application/json", b"multipart/form-data; boundary=b"
        )
        caller.sendall(head % 1000 + b"--b\r\n")
        time.sleep(0.2)
    give_up = time.monotonic() + PATIENCE_S
    line = 'sensorium_requests_total{method="POST",route="/v1/embeddings/{modality}",status="0"} 1.0'
    while line not in httpx.get(f"http://{address[0]}:{address[1]}/metrics").text:
        assert time.monotonic() < give_up
        time.sleep(0.01)
