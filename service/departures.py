"""Work for callers who have hung up is cancelled."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send


async def departure(receive: Receive) -> None:
    """Return when the caller has hung up; to be asked once the body has been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


class Work:
    """What the current task does for a caller; `watch` begins when nothing but the departure can come."""

    def __init__(self) -> None:
        self._task = asyncio.current_task()
        self._watch: asyncio.Task[None] | None = None
        self._ended = False
        self.left = False

    def watch(self, receive: Receive) -> None:
        self._watch = asyncio.get_running_loop().create_task(departure(receive))
        self._watch.add_done_callback(self._leave)

    def end(self) -> None:
        """From here on the task is not cancelled any more."""
        self._ended = True
        if self._watch is not None:
            self._watch.cancel()

    def _leave(self, watch: asyncio.Task[None]) -> None:
        if not watch.cancelled() and not self._ended and self._task is not None:
            self.left = True
            self._task.cancel()


class Departures:
    """ASGI middleware: once the body has been read, the next message can only be the caller's departure."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        work = Work()
        read = False

        async def watched_receive() -> Message:
            nonlocal read
            if read:
                await asyncio.Event().wait()
            message = await receive()
            if not message.get("more_body", False):
                read = True
                work.watch(receive)
            return message

        try:
            await self.app(scope, watched_receive, send)
        except asyncio.CancelledError:
            # Nobody is left to see it; that of the server itself goes on.
            if not work.left or (task := asyncio.current_task()) is None or task.uncancel():
                raise
        finally:
            work.end()
