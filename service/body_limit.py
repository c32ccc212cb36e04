"""Bodies over the limit are refused: by Content-Length before reading, chunked ones while they stream."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import fault_of


class BodyLimit:
    """ASGI middleware; `limit` in bytes."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "0")
        if length.isdecimal() and int(length) > self.limit:
            await fault_of(self._refusal()).answer()(scope, receive, send)
            return
        await self.app(scope, self._counted(receive), send)

    def _counted(self, receive: Receive) -> Receive:
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self.limit:
                raise self._refusal()
            return message

        return counted

    def _refusal(self) -> HTTPException:
        # An HTTPException, because the framework turns any other error while reading a body into a 400.
        return HTTPException(
            413,
            f"the body is over {self.limit} bytes (SENSORIUM_MAX_BODY_BYTES); send fewer or smaller items",
        )
