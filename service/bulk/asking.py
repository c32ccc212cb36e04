"""One service for the commands that ask: a running server, or the application in this process."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from service.bulk.server import Server, ServerError
from service.settings import Settings
from service.unreadable import plain

ATTEMPTS = 3
LOADING_S = 600.0
LOOKS_EVERY_S = 0.05


def encoded(path: Path) -> str:
    """A file as base64. Raises ServerError."""
    try:
        return base64.b64encode(path.read_bytes()).decode("ascii")
    except OSError as error:
        raise ServerError(plain(error, path)) from error


def is_locked(failure: Exception | None) -> bool:
    return getattr(failure, "code", None) == "locked"


class InProcess(httpx.BaseTransport):
    """The application, with its model and its store, asked without a network."""

    def __init__(self, settings: Settings) -> None:
        from service.app import create_app  # noqa: PLC0415 - loads torch, which a server elsewhere spares

        alone: dict[str, Any] = {"api_keys": None, "rate_limit": {}, "ingest_roots": (), "gallery": False}
        self.app = create_app(settings.model_copy(update=alone))
        self._runner = asyncio.Runner()
        self._transport = httpx.ASGITransport(app=self.app)
        self._life = self.app.router.lifespan_context(self.app)
        self._runner.run(self._life.__aenter__())

    def wait(self) -> None:
        """Return when it can answer. Raises ServerError with the reason why not."""
        engine = self.app.state.engine
        give_up = time.monotonic() + LOADING_S
        while engine.hindrance is not None and engine.failure is None and time.monotonic() < give_up:
            self._runner.run(asyncio.sleep(LOOKS_EVERY_S))
        if engine.hindrance is not None:
            locked = (
                " (a server that holds it can be asked: --server URL)" if is_locked(engine.failure) else ""
            )
            raise ServerError(f"{engine.hindrance}{locked}")

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        async def answer() -> httpx.Response:
            response = await self._transport.handle_async_request(request)
            await response.aread()
            return httpx.Response(response.status_code, headers=response.headers, content=response.content)

        return self._runner.run(answer())

    def close(self) -> None:
        self._runner.run(self._life.__aexit__(None, None, None))
        self._runner.close()


class Asking:
    """Requests with JSON bodies to the server at `url`; without one, to the service of the settings."""

    def __init__(self, settings: Settings, url: str | None, key: str | None) -> None:
        self._stack = ExitStack()
        if url is None:
            inside = InProcess(settings)
            self._stack.callback(inside.close)
            try:
                inside.wait()
            except BaseException:
                self._stack.close()
                raise
            self.server = Server("http://127.0.0.1", None, transport=inside)
        else:
            self.server = Server(url, key, attempts=ATTEMPTS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The answer. Raises ServerError with the service's words."""
        return self.server.expect("POST", path, dict(body))

    def bytes_of(self, path: str) -> bytes | None:
        """A file of the service; None where there is none."""
        try:
            answer = self.server.ask("GET", path)
        except ServerError:
            return None
        return answer.content if answer.is_success else None
