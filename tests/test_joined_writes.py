"""Heads and bodies in one write: nothing is lost, doubled, out of order or held back."""

import asyncio

import pytest

from service.joined_writes import LONGEST_COPY, JoinedWrites

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


class Wire:
    """A transport that keeps each write."""

    def __init__(self):
        self.writes = []
        self.closed = False

    def write(self, data):
        assert not self.closed
        self.writes.append(data)

    def close(self):
        self.closed = True

    def is_closing(self):
        return self.closed


def written(*steps):
    """What reaches the wire of these writes; None is a turn of the loop, and `close` closes."""

    async def whole():
        wire = Wire()
        joined = JoinedWrites(wire, asyncio.get_running_loop())
        for step in steps:
            if step is None:
                await asyncio.sleep(0)
            elif step == "close":
                joined.close()
            else:
                joined.write(step)
        at_once = list(wire.writes)
        await asyncio.sleep(0)
        assert joined.is_closing() == ("close" in steps)
        return at_once, wire.writes

    return asyncio.run(whole())


def test_a_head_goes_with_its_body():
    """In one write, and a second body in another."""
    assert written(HEAD, b"{}", b"more")[0] == [HEAD + b"{}", b"more"]


@pytest.mark.parametrize("steps", [(HEAD,), (HEAD, None)])
def test_a_head_alone_waits_for_one_turn(steps):
    """Streams send it long before their first bytes."""
    assert written(*steps)[1] == [HEAD]


def test_two_heads_follow_each_other():
    """`100 Continue`, and the answer behind it."""
    first = b"HTTP/1.1 100 Continue\r\n\r\n"
    assert b"".join(written(first, HEAD, b"{}")[1]) == first + HEAD + b"{}"


def test_a_long_body_is_not_copied():
    """It follows its head in a write of its own."""
    body = b"x" * (LONGEST_COPY + 1)
    assert written(HEAD, body)[0] == [HEAD, body]


def test_closing_sends_what_was_held_back():
    """An answer without a body, after which the connection is closed."""
    assert written(HEAD, "close")[1] == [HEAD]


def test_nothing_is_written_to_a_connection_that_is_gone():
    """It was cut off between the head and the next turn of the loop."""

    async def whole():
        wire = Wire()
        joined = JoinedWrites(wire, asyncio.get_running_loop())
        joined.write(HEAD)
        wire.close()
        await asyncio.sleep(0)
        return wire.writes

    assert asyncio.run(whole()) == []
