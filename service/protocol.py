"""uvicorn's HTTP protocol with the bounds that it lacks: time and size of a head, number of connections.

uvicorn itself ends idle connections between two requests only, and httptools knows no bound for headers.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.auto import AutoHTTPProtocol

# What h11 takes, and nginx by default (8 x 8 kB).
MAX_HEAD_BYTES = 65_536


def last_words(status: str, *headers: str) -> bytes:
    """An answer without a body, after which the connection is closed."""
    lines = (f"HTTP/1.1 {status}", "content-length: 0", "connection: close", *headers)
    return "\r\n".join((*lines, "", "")).encode()


TOO_MANY = last_words("503 Service Unavailable", "retry-after: 1")
TOO_SLOW = last_words("408 Request Timeout")
TOO_LARGE = last_words("431 Request Header Fields Too Large")


class BoundedProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type] # chosen when uvicorn is imported
    """`header_timeout_s`: from the connection, or the first byte of a later request, to the end of its head.

    What still arrives of a body that was refused has as long. Connections beyond `max_connections` get 503.
    """

    header_timeout_s = 20.0
    max_connections = 1000
    _head_bytes = 0
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if len(self.connections) > self.max_connections:
            self._end(TOO_MANY)
        else:
            self._expect_head()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._forget_head()
            return
        self._expect_head()
        refused_body: bool = self.cycle is not None and self.cycle.more_body
        self._head_bytes += 0 if refused_body else len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            self._end(TOO_LARGE)

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_head()
        super().connection_lost(exc)

    def _expect_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.header_timeout_s, self._too_slow)

    def _forget_head(self) -> None:
        self._head_bytes = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_slow(self) -> None:
        self._end(TOO_SLOW if self._head_bytes else b"")

    def _end(self, words: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(words)
            self.transport.close()


def bounded_protocol(header_timeout_s: float, max_connections: int) -> type[asyncio.Protocol]:
    """A class for `uvicorn.Config(http=...)` with these bounds."""
    bounds = {"header_timeout_s": header_timeout_s, "max_connections": max_connections}
    return type("Bounded", (BoundedProtocol,), bounds)
