"""Work for callers who have hung up is cancelled."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send


async def departure(body_read: asyncio.Event, receive: Receive) -> None:
    """Return when the caller has hung up."""
    await body_read.wait()
    while (await receive())["type"] != "http.disconnect":
        pass


async def outcome(work: asyncio.Future[None]) -> None:
    """Pass on the error of `work`, but not its cancellation, which nobody is left to see."""
    await asyncio.wait({work})
    if not work.cancelled():
        work.result()


class Departures:
    """ASGI middleware: once the body has been read, the next message can only be the caller's departure."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body_read = asyncio.Event()

        async def watched_receive() -> Message:
            if body_read.is_set():
                await asyncio.Event().wait()
            message = await receive()
            if not message.get("more_body", False):
                body_read.set()
            return message

        work = asyncio.ensure_future(self.app(scope, watched_receive, send))
        watch = asyncio.ensure_future(departure(body_read, receive))
        try:
            await asyncio.wait({work, watch}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            watch.cancel()
            if not work.done():
                work.cancel()
        await outcome(work)
