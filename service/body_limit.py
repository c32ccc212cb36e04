"""What bodies may cost: a size each, a sum together, and a time; over the limit they are refused unread.

A body that tells its length is refused before a byte of it is read, a chunked one while it streams.
"""

from __future__ import annotations

import asyncio
import math
from contextvars import ContextVar
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import fault_of
from service.metrics import Metrics

# The server buffers as much of every body anyway, so smaller ones are not counted in the sum.
SMALL_BYTES = 65_536
# A body has one more second for each of these that has arrived [bytes].
SLOWEST_BYTES_PER_S = 100_000
# Whether the body of this request is so small that to read it takes less time than to wake a thread.
SMALL: ContextVar[bool] = ContextVar("small_body", default=False)


def declared(scope: Scope) -> int:
    """Content-Length, 0 where there is none."""
    length = Headers(scope=scope).get("content-length", "")
    return int(length) if length.isdecimal() else 0


@dataclass(eq=False)
class Room:
    """Bytes of the bodies of all requests in progress, and how many they may be."""

    limit: float
    taken: int = 0

    def take(self, count: int) -> None:
        """Raises HTTPException 429. What is larger than all the room is let in alone."""
        if self.taken and self.taken + count > self.limit:
            message = (
                f"the bodies of other requests hold {self.taken} bytes, all together may hold {self.limit} "
                "(SENSORIUM_MAX_PENDING_BYTES); try again in 1 s"
            )
            raise HTTPException(429, message, headers={"retry-after": "1"})
        self.taken += count


class Body:
    """One body as it arrives; `length` is what it said, 0 for nothing."""

    def __init__(self, receive: Receive, room: Room, length: int, limit: int, timeout_s: float) -> None:
        self._receive = receive
        self._room = room
        self._limit = limit
        self._timeout_s = timeout_s
        self._begun = asyncio.get_running_loop().time()
        self._seen = 0
        self._held = 0
        self._whole = False
        self._hold(length)

    async def receive(self) -> Message:
        """The next message. Raises HTTPException 408, 413 or 429, since others become a 400 on the way."""
        if self._whole:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._begun + self._timeout_s + self._seen / SLOWEST_BYTES_PER_S):
                message = await self._receive()
        except TimeoutError as error:
            raise self._too_slow() from error
        self._whole = not message.get("more_body", False)
        self._seen += len(message.get("body", b""))
        if self._seen > self._limit:
            raise too_large(self._limit)
        self._hold(self._seen)
        return message

    def release(self) -> None:
        self._room.taken -= self._held
        self._held = 0

    def _hold(self, count: int) -> None:
        more = count - self._held
        if more > 0 and count > SMALL_BYTES:
            self._room.take(more)
            self._held = count

    def _too_slow(self) -> HTTPException:
        message = (
            f"only {self._seen} bytes of the body have come in time; it may take {self._timeout_s:g} s "
            f"(SENSORIUM_BODY_TIMEOUT_S) and a second more for every {SLOWEST_BYTES_PER_S} bytes"
        )
        return HTTPException(408, message, headers={"connection": "close"})


def too_large(limit: int) -> HTTPException:
    return HTTPException(
        413, f"the body is over {limit} bytes (SENSORIUM_MAX_BODY_BYTES); send fewer or smaller items"
    )


class BodyLimit:
    """ASGI middleware; `limit` of one body and `pending` of all together [bytes], `timeout_s` of one.

    `metrics` count what is refused here; what is refused while it streams, the application's handler counts.
    """

    def __init__(
        self,
        app: ASGIApp,
        limit: int,
        pending: float = math.inf,
        timeout_s: float = math.inf,
        metrics: Metrics | None = None,
    ) -> None:
        self.app = app
        self.limit = limit
        self.room = Room(pending)
        self.timeout_s = timeout_s
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        length = declared(scope)
        SMALL.set(0 < length <= SMALL_BYTES)
        try:
            if length > self.limit:
                raise too_large(self.limit)
            body = Body(receive, self.room, length, self.limit, self.timeout_s)
        except HTTPException as refusal:
            fault = fault_of(refusal)
            if self.metrics is not None:
                self.metrics.refused(fault.code)
            await fault.answer()(scope, receive, send)
            return
        try:
            await self.app(scope, body.receive, send)
        finally:
            body.release()
