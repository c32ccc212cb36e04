"""uvicorn's HTTP protocol with the bounds that it lacks: time and size of a head, number of connections.

uvicorn itself ends idle connections between two requests only, and httptools knows no bound for headers.
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
from collections.abc import Callable
from typing import Any, cast

import orjson
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from service.errors import BUSY, INVALID, Fault
from service.joined_writes import END_OF_HEAD, JoinedWrites

log = logging.getLogger("service.access")

# What h11 takes, and nginx by default (8 x 8 kB).
MAX_HEAD_BYTES = 65_536
UPGRADE = re.compile(rb"(\r\n)(upgrade:)", re.IGNORECASE)
REASONS = {400: "Bad Request", 408: "Request Timeout", 431: "Request Header Fields Too Large", 503: "Busy"}
MALFORMED = Fault(400, "this is no HTTP request", INVALID, code="malformed_request")
TOO_SLOW = Fault(408, "the head of the request took too long to arrive", INVALID, code="request_timeout")
TOO_LARGE = Fault(
    431, f"the head of the request has more than {MAX_HEAD_BYTES} bytes", INVALID, code="head_too_large"
)
TOO_MANY = Fault(
    503,
    "there are too many connections; try again in 1 s",
    BUSY,
    code="too_many_connections",
    headers={"retry-after": "1"},
)


def last_words(fault: Fault, identifier: str) -> bytes:
    """An answer after which the connection is closed."""
    body = orjson.dumps({"error": fault.object()})
    headers = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "connection": "close",
        "x-request-id": identifier,
        **fault.headers,
    }
    lines = (f"HTTP/1.1 {fault.status} {REASONS[fault.status]}", *(f"{a}: {b}" for a, b in headers.items()))
    return "\r\n".join((*lines, "", "")).encode() + body


def without_upgrade(data: bytes) -> bytes:
    """A head without its offer to go on in another protocol, which a server may pass over (RFC 9110, 7.8).

    The parser would lose the body behind it. Java's client offers HTTP/2 with every first request over plain
    HTTP, browsers' scripts WebSockets.
    """
    end = data.find(END_OF_HEAD)
    if end < 0 or UPGRADE.search(data, 0, end) is None:
        return data
    return UPGRADE.sub(rb"\1x-\2", data[:end]) + data[end:]


def head_bytes(data: bytes) -> int:
    """How many of the bytes belong to the head that they begin or go on with."""
    end = data.find(END_OF_HEAD)
    return len(data) if end < 0 else end


class BoundedProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type] # chosen when uvicorn is imported
    """`header_timeout_s`: from the connection, or the first byte of a later request, to the end of its head.

    What still arrives of a body that was refused has as long. Connections beyond `max_connections` get 503.
    `refused` is told the code of each that is turned away.
    """

    header_timeout_s = 20.0
    max_connections = 1000
    _head_bytes = 0
    _head_timer: asyncio.TimerHandle | None = None

    @staticmethod
    def refused(_code: str) -> None:
        """Nobody counts."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport: Any = JoinedWrites(cast("asyncio.Transport", transport), self.loop)
        if len(self.connections) > self.max_connections:
            self._refuse(TOO_MANY)
        else:
            self._expect_head()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        idle = self.cycle is None or (self.cycle.response_complete and not self.cycle.more_body)
        if idle and self._head_bytes + head_bytes(data) > MAX_HEAD_BYTES:
            self._refuse(TOO_LARGE)
            return
        answering = not idle and not self.cycle.more_body
        super().data_received(without_upgrade(data) if idle else data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._follow(len(data) if answering else 0)
            return
        self._expect_head()
        refused_body: bool = self.cycle is not None and self.cycle.more_body
        self._head_bytes += 0 if refused_body else len(data)

    def _follow(self, count: int) -> None:
        """So many bytes have come behind a request that is being answered: the head of the next one.

        Where that is whole uvicorn reads no further; one without end has no answer of its own yet.
        """
        before = self._head_bytes
        self._forget_head()
        if count and not self.flow.read_paused:
            self._head_bytes = before + count
        if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.transport.abort()
            self._told(TOO_LARGE, "")

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_head()
        super().connection_lost(exc)

    def send_400_response(self, _: str) -> None:
        """The parser cannot read it."""
        self._refuse(MALFORMED)

    def _expect_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.header_timeout_s, self._too_slow)

    def _forget_head(self) -> None:
        self._head_bytes = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_slow(self) -> None:
        if self._head_bytes:
            self._refuse(TOO_SLOW)
        elif not self.transport.is_closing():
            self.transport.close()

    def _refuse(self, fault: Fault) -> None:
        if self.transport.is_closing():
            return
        identifier = f"{random.getrandbits(128):032x}"
        self.transport.write(last_words(fault, identifier))
        self.transport.close()
        self._told(fault, identifier)

    def _told(self, fault: Fault, identifier: str) -> None:
        self.refused(fault.code)
        # A flood of connections is not to fill the log.
        level = logging.DEBUG if fault is TOO_MANY else logging.INFO
        extra = {"status": fault.status, "code": fault.code, "request_id": identifier}
        log.log(level, "turned away", extra=extra)


def bounded_protocol(
    header_timeout_s: float, max_connections: int, refused: Callable[[str], None] = lambda _: None
) -> type[asyncio.Protocol]:
    """A class for `uvicorn.Config(http=...)` with these bounds."""
    bounds = {
        "header_timeout_s": header_timeout_s,
        "max_connections": max_connections,
        "refused": staticmethod(refused),
    }
    return type("Bounded", (BoundedProtocol,), bounds)
