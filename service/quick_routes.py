"""A way past the framework for requests that are as they should be.

Matching, dependencies and validation of a route take the framework several times as long as a small search
takes us. A quick route stands before the framework, reads a JSON body straight into its model and calls the
same endpoint. Whatever is unusual goes the long way, with the body that was read, so that every error of
reading is told there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias

import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.access.gate import path_of
from service.engine import Engine
from service.errors import KNOWN, LocatedError, answer_error
from service.json_kinds import problems

Endpoint: TypeAlias = Callable[..., Awaitable[Response]]
LARGEST = 1_000_000
"""Longest body [bytes] that is read in the event loop."""


def is_plain(scope: Scope) -> bool:
    """Whether it is a POST that says its body is JSON of a small known length, not packed."""
    if scope["type"] != "http" or scope["method"] != "POST":
        return False
    headers = dict(scope["headers"])
    length = headers.get(b"content-length", b"")
    return (
        headers.get(b"content-type") == b"application/json"
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


class QuickRoute:
    """`POST` to `path` with a JSON body of `model`; the endpoint is called as the framework calls it."""

    def __init__(self, path: str, model: type[BaseModel], endpoint: Endpoint) -> None:
        self.path = path
        self._pattern = compile_path(path)[0]
        self._model = model
        self._endpoint = endpoint

    def params(self, path: str) -> Mapping[str, str] | None:
        """The path's parameters; None where it is another path."""
        found = self._pattern.match(path)
        return found and found.groupdict()

    def read(self, data: bytes) -> BaseModel | None:
        """The body; None where it is not as it should be."""
        try:
            value = orjson.loads(data)
            return None if any(problems(self._model, value)) else self._model.model_validate(value)
        except (orjson.JSONDecodeError, ValidationError, LocatedError):
            return None

    async def answer(self, request: Request, params: Mapping[str, Any], body: BaseModel) -> Response:
        """What the endpoint answers, or the answer to its error where that is a known one."""
        engine: Engine = request.app.state.engine
        try:
            engine.check_serving()
            return await self._endpoint(**params, body=body, engine=engine)
        except KNOWN as error:
            return await answer_error(request, error)


class QuickRoutes:
    """ASGI middleware, the innermost one: `routes` are tried before the framework's."""

    def __init__(self, app: ASGIApp, routes: Sequence[QuickRoute]) -> None:
        self.app = app
        self.routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if is_plain(scope):
            path = path_of(scope)
            for route in self.routes:
                if (params := route.params(path)) is not None:
                    await self._answer(route, params, scope, receive, send)
                    return
        await self.app(scope, receive, send)

    async def _answer(
        self, route: QuickRoute, params: Mapping[str, str], scope: Scope, receive: Receive, send: Send
    ) -> None:
        request = Request(scope, receive)
        try:
            data = await request.body()
        except KNOWN as error:
            scope["route"] = route
            await (await answer_error(request, error))(scope, receive, send)
            return
        body = route.read(data)
        if body is None:
            await self.app(scope, replayed(data, receive), send)
            return
        scope["route"] = route
        await (await route.answer(request, params, body))(scope, receive, send)
