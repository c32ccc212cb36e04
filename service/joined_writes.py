"""A head and the body behind it in one write: uvicorn writes them one by one, at a system call each."""

from __future__ import annotations

import asyncio
from typing import Any

STATUS_LINE, END_OF_HEAD = b"HTTP/1.", b"\r\n\r\n"
# A longer body [bytes] is not copied behind its head.
LONGEST_COPY = 65_536


class JoinedWrites:
    """A transport that holds back a head until more is written, or to the loop's next turn at the latest."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def write(self, data: bytes) -> None:
        head, self._head = self._head, b""
        if head and len(data) <= LONGEST_COPY:
            self._transport.write(head + data)
            return
        if head:
            self._transport.write(head)
        if data.startswith(STATUS_LINE) and data.endswith(END_OF_HEAD):
            self._head = data
            self._loop.call_soon(self._flush)
        else:
            self._transport.write(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        head, self._head = self._head, b""
        if head and not self._transport.is_closing():
            self._transport.write(head)
