"""The outermost layer: a request id on every answer and log line, and an answer to every error."""

from __future__ import annotations

import asyncio
import logging
import random
import re
import time
from contextlib import nullcontext

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import tracing
from service.errors import WITH_DETAIL, NotReadyError, fault_of
from service.logs import REQUEST_ID
from service.metrics import Metrics
from service.tracing import Tracing

log = logging.getLogger("service.access")
SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
# The only path that nobody but Voyage's client asks; it says nowhere who it is.
VOYAGE = "/v1/multimodalembeddings"
# Requests are cancelled where the time for answers is over after SIGTERM.
CUT_OFF = "the server was stopped before it could answer"
QUIET_PATHS = frozenset({"/healthz", "/readyz"})


def request_id(headers: Headers) -> str:
    """The caller's own id where it is a sane one, else a new one."""
    given = headers.get("x-request-id", "")
    return given if SANE_ID.fullmatch(given) else f"{random.getrandbits(128):032x}"


def route_of(scope: Scope) -> str:
    """The pattern of the path, so that names and ids do not become labels; "none" where no route matched."""
    return str(getattr(scope.get("route"), "path", "none"))


class RequestContext:
    """ASGI middleware around everything else."""

    def __init__(self, app: ASGIApp, metrics: Metrics, tracing: Tracing | None = None) -> None:
        self.app = app
        self.metrics = metrics
        self.tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        token = REQUEST_ID.set(request_id(Headers(scope=scope)))
        WITH_DETAIL.set(scope["path"].endswith(VOYAGE))
        try:
            traced = self.tracing.request(scope) if self.tracing else nullcontext()
            with traced, self.metrics.in_flight.track_inprogress():
                await self._answer(scope, receive, send)
        finally:
            REQUEST_ID.reset(token)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, began = 0, time.perf_counter()
        # What the layers below know of the caller, such as the name of its key.
        caller: dict[str, str] = {}
        scope["log"] = caller

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                told = (b"x-request-id", (REQUEST_ID.get() or "").encode("latin-1"))
                message["headers"] = [*message.get("headers", ()), told]
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        except ClientDisconnect:
            status = 0
        except (Exception, asyncio.CancelledError) as error:
            if status:
                raise
            fault = fault_of(NotReadyError(CUT_OFF) if isinstance(error, asyncio.CancelledError) else error)
            self.metrics.refused(fault.code)
            await fault.answer()(scope, receive, send_with_id)
        self.metrics.answered(route_of(scope), scope["method"], status, time.perf_counter() - began)
        tracing.answered(route_of(scope), scope["method"], status, REQUEST_ID.get() or "")
        level = logging.DEBUG if scope["path"] in QUIET_PATHS else logging.INFO
        seconds = round(time.perf_counter() - began, 4)
        asked = {"method": scope["method"], "path": scope["path"], **caller}
        extra = {**asked, "status": status, "seconds": seconds}
        log.log(level, "answered" if status else "caller left", extra=extra)
