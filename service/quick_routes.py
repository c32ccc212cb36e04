"""A way past the framework for requests that are as they should be.

Matching, dependencies and validation of a route take the framework several times as long as a small search
takes us. A quick route stands before the framework's own of the same path, reads a JSON body straight into
its model and calls the same endpoint. Whatever is unusual goes the long way, with the body that was read, so
that every error is told there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import orjson
from fastapi import FastAPI
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Message, Receive, Scope, Send

from service.engine import Engine
from service.errors import LocatedError
from service.json_kinds import problems

Endpoint: TypeAlias = Callable[..., Awaitable[Response]]
LARGEST = 1_000_000
"""Longest body [bytes] that is read in the event loop."""
TRIED = "sensorium.tried"
"""In the scope of a request whose body was unusual."""


def is_plain(scope: Scope) -> bool:
    """Whether it is a POST that says its body is JSON of a small known length, not packed."""
    headers = dict(scope["headers"])
    length = headers.get(b"content-length", b"")
    return (
        scope["method"] == "POST"
        and headers.get(b"content-type") == b"application/json"
        and b"content-encoding" not in headers
        and length.isdigit()
        and 0 < int(length) <= LARGEST
    )


def replayed(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body that was read once more."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


class QuickRoute(Route):
    """`POST` to `path` with a JSON body of `model`; the endpoint is called as the framework calls it."""

    def __init__(self, path: str, model: type[BaseModel], endpoint: Endpoint) -> None:
        super().__init__(path, self._answer, methods=["POST"], include_in_schema=False)
        self._model = model
        self._endpoint = endpoint

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        usual = scope["type"] == "http" and TRIED not in scope and is_plain(scope)
        return super().matches(scope) if usual else (Match.NONE, {})

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = self
        request = Request(scope, receive)
        data = await request.body()
        try:
            value = orjson.loads(data)
            body = None if any(problems(self._model, value)) else self._model.model_validate(value)
        except (orjson.JSONDecodeError, ValidationError, LocatedError):
            body = None
        if body is None:
            await scope["app"].router({**scope, TRIED: True}, replayed(data, receive), send)
            return
        await (await self._answer(request, body))(scope, receive, send)

    async def _answer(self, request: Request, body: BaseModel | None = None) -> Response:
        engine: Engine = request.app.state.engine
        engine.check_serving()
        return await self._endpoint(**request.path_params, body=body, engine=engine)


def install(app: FastAPI, path: str, model: type[BaseModel], endpoint: Endpoint) -> None:
    """Put a quick route for `path` before all others."""
    app.router.routes.insert(0, QuickRoute(path, model, endpoint))
