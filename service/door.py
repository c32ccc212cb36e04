"""The last resort: where the event loop itself cannot keep up, newcomers are refused before anything is read.

To read a request and refuse it costs a third of serving a small one. Refusing ten times the sustainable load
that way leaves no time to serve, so here it costs little, and comes late: who waits does not ask again. Late
comes every other refusal too where there are many of them.
"""

from __future__ import annotations

import asyncio
import math
import random
from http import HTTPStatus
from time import monotonic

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import OverloadedError, fault_of
from service.metrics import Metrics

TICK_S = 0.05
# A timer that rings so much later than it should tells of a queue before the loop.
LONGEST_LAG_S = 0.05
# How long a refusal is held back, and up to twice as long.
PAUSE_S = 1.0
# Refusals a second that are told at once.
PROMPT_REFUSALS = 50


async def pause() -> None:
    await asyncio.sleep(PAUSE_S * (1 + random.random()))  # noqa: S311 - it only spreads the callers


class Refusals:
    """How many there have been within about a second."""

    def __init__(self) -> None:
        self._level, self._last = 0.0, monotonic()

    def many(self) -> bool:
        """Count one more."""
        now = monotonic()
        self._level = 1 + self._level * math.exp(self._last - now)
        self._last = now
        return self._level > PROMPT_REFUSALS


class Door:
    """ASGI middleware. With `requests` requests with a body inside and a loop that lags, others get 429."""

    def __init__(self, app: ASGIApp, requests: int, metrics: Metrics) -> None:
        self.app = app
        self.requests = requests
        self.metrics = metrics
        self.lag_s = 0.0
        self._inside = 0
        self._refusals = Refusals()
        self._due: float | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in {"POST", "PUT"}:
            await self.app(scope, receive, send)
            return
        if self._inside >= self.requests and self.lag_s > LONGEST_LAG_S:
            await self._refuse(scope, receive, send)
            return
        self._inside += 1
        if self._due is None:
            self._wind()
        refused = False

        async def held_back(message: Message) -> None:
            nonlocal refused
            if message.get("status") == HTTPStatus.TOO_MANY_REQUESTS and self._refusals.many():
                refused = True
                self._inside -= 1
                await pause()
            await send(message)

        try:
            await self.app(scope, receive, held_back)
        finally:
            self._inside -= not refused

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        await pause()
        fault = fault_of(OverloadedError(f"{self._inside} requests are being served; try again in 1 s"))
        self.metrics.refused(fault.code)
        await fault.answer()(scope, receive, send)

    def _wind(self) -> None:
        loop = asyncio.get_running_loop()
        self._due = loop.time() + TICK_S
        loop.call_at(self._due, self._ring)

    def _ring(self) -> None:
        assert self._due is not None
        self.lag_s = asyncio.get_running_loop().time() - self._due
        self._due = None
        if self._inside:
            self._wind()
