"""Too much at once: everyone is answered, nobody hangs, memory stays bounded; afterwards all is as before."""

import asyncio
import base64
import socket
from collections import Counter

import httpx
import numpy as np
import pytest

from tests import media_files as files
from tests.conftest import PATIENCE_S
from tests.test_http_service import gated_embedder, wait_for

EMBEDDINGS = "/v1/embeddings"
QUEUE = 8


async def all_at_once(url, bodies):
    """The answers to all of `bodies`, each sent over a connection of its own at the same time."""
    limits = httpx.Limits(max_connections=len(bodies))
    async with httpx.AsyncClient(base_url=str(url), timeout=PATIENCE_S, limits=limits) as client:
        return await asyncio.gather(*(client.post(EMBEDDINGS, json=body) for body in bodies))


@pytest.mark.parametrize("kind", ["text", "image"])
def test_ten_times_what_fits_is_answered_with_200_or_429(serve, kind):
    """The refused are told when to come back, the others get their vector, and later ones are served."""
    client = serve(queue_limit=QUEUE)
    picture = {"image": base64.b64encode(files.png()).decode()}
    content = {"text": "a dog", "image": picture}[kind]
    answers = asyncio.run(all_at_once(client.base_url, [{"input": content}] * 10 * QUEUE))
    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) <= {200, 429}
    assert statuses[200] >= QUEUE
    for answer in answers:
        if answer.status_code == 429:
            assert 1 <= int(answer.headers["retry-after"]) <= 60
            assert answer.json()["error"]["code"] == "overloaded"
    vectors = [each.json()["data"][0]["embedding"] for each in answers if each.status_code == 200]
    assert np.ptp(vectors, axis=0).max() < 1e-5
    assert client.post(EMBEDDINGS, json={"input": content}).status_code == 200
    assert not any(client.app.state.engine.vectorizer.batcher.admitted.values())


def head_of(length, path=EMBEDDINGS):
    return (
        f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        f"content-length: {length}\r\n\r\n"
    ).encode()


def answer_to(caller):
    """A refusal, which may come in pieces."""
    received = b""
    while b'"code"' not in received and (piece := caller.recv(10_000)):
        received += piece
    return received


def test_a_hundred_large_bodies_at_once_hold_no_more_than_the_room_for_them(serve):
    """What does not fit beside the others is refused by its length, before a byte of it is read."""
    client = serve(max_body_bytes=1_000_000, max_pending_bytes=3_000_000)
    callers = []
    try:
        for _ in range(100):
            caller = socket.create_connection(
                (client.base_url.host, client.base_url.port), timeout=PATIENCE_S
            )
            caller.sendall(head_of(900_000))
            callers.append(caller)
        refused = [answer_to(caller) for caller in callers[3:]]
        assert all(answer.startswith(b"HTTP/1.1 429") for answer in refused)
        assert all(b"retry-after: 1" in answer.lower() for answer in refused)
        assert all(b"SENSORIUM_MAX_PENDING_BYTES" in answer for answer in refused)
        # Small requests go on.
        assert client.post(EMBEDDINGS, json={"input": "a dog"}).status_code == 200
    finally:
        for caller in callers:
            caller.close()
    wait_for(lambda: client.post(EMBEDDINGS, json={"input": "a" * 500_000}).status_code == 200)


def test_bodies_that_do_not_tell_their_length_are_counted_as_they_come(serve):
    """Beside one that holds most of the room, a chunked body is refused once it is beyond the rest."""
    client = serve(max_body_bytes=1_000_000, max_pending_bytes=1_000_000)
    address = (client.base_url.host, client.base_url.port)
    with socket.create_connection(address, timeout=PATIENCE_S) as first:
        first.sendall(head_of(900_000) + b"x")
        wait_for(lambda: client.post(EMBEDDINGS, content=chunks(150_000)).status_code == 429)
    wait_for(lambda: client.post(EMBEDDINGS, content=chunks(150_000)).status_code == 200)


def chunks(size):
    yield b'{"input": "'
    for _ in range(size // 50_000):
        yield b"a" * 50_000
    yield b'"}'


def test_many_who_hang_up_cost_nothing(serve):
    """A hundred callers who leave mid-request: their inputs are never encoded, the queue is empty again."""
    embedder, gate = gated_embedder()
    lanes = 2
    client = serve(embedder, decode_threads=1, encode_lanes=lanes)
    admitted = client.app.state.engine.vectorizer.batcher.admitted
    body = b'{"input": "a dog"}'
    callers = [
        socket.create_connection((client.base_url.host, client.base_url.port), timeout=PATIENCE_S)
        for _ in range(100)
    ]
    for i, caller in enumerate(callers):
        # Every second one leaves with half of its body sent.
        caller.sendall(head_of(len(body)) + (body if i % 2 else body[:9]))
    wait_for(lambda: admitted["text"] == 50)
    for caller in callers:
        caller.close()
    wait_for(lambda: admitted["text"] == 0)
    gate.opened.set()
    assert client.post(EMBEDDINGS, json={"input": "a cat"}).status_code == 200
    assert gate.calls <= lanes + 1  # what each lane had begun, and the last
