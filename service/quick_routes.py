"""A way past the framework for requests that are as they should be.

Matching, dependencies and validation of a route take the framework several times as long as a small search
takes us. A quick route stands before the framework and calls the same endpoint: with a JSON body that is read
straight into its model, or with a form that the endpoint reads itself. Whatever is unusual goes the long way,
a JSON body that was read with it, so that every error of reading is told there.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias

import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request
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
    """Whether it is a POST whose body is not packed."""
    return (
        scope["type"] == "http"
        and scope["method"] == "POST"
        and all(name != b"content-encoding" for name, _ in scope["headers"])
    )


async def whole(receive: Receive) -> bytes:
    """The body. Raises ClientDisconnect."""
    chunks: list[bytes] = []
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunks.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(chunks)


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
    """`POST` to `path`; the endpoint is called as the framework calls it."""

    def __init__(self, path: str, endpoint: Endpoint) -> None:
        self.path = path
        self._pattern = compile_path(path)[0]
        self._endpoint = endpoint

    def params(self, path: str) -> Mapping[str, str] | None:
        """The path's parameters; None where it is another path."""
        found = self._pattern.match(path)
        return found and found.groupdict()

    async def answer(self, request: Request, given: Mapping[str, Any]) -> Response:
        """What the endpoint answers, or the answer to its error where that is a known one."""
        engine: Engine = request.app.state.engine
        try:
            engine.check_serving()
            return await self._endpoint(**given, engine=engine)
        except KNOWN as error:
            return await answer_error(request, error)

    @abstractmethod
    def takes(self, headers: Mapping[bytes, bytes]) -> bool:
        """Whether a body under these headers is as it should be."""

    @abstractmethod
    async def respond(self, request: Request, params: Mapping[str, str]) -> Response | Receive:
        """The answer, or the `receive` with which the request has to go the long way."""


class QuickJSON(QuickRoute):
    """With a JSON body of `model`, of a small known length."""

    def __init__(self, path: str, model: type[BaseModel], endpoint: Endpoint) -> None:
        super().__init__(path, endpoint)
        self._model = model

    def takes(self, headers: Mapping[bytes, bytes]) -> bool:
        length = headers.get(b"content-length", b"")
        is_json = headers.get(b"content-type") == b"application/json"
        return is_json and length.isdigit() and 0 < int(length) <= LARGEST

    async def respond(self, request: Request, params: Mapping[str, str]) -> Response | Receive:
        try:
            data = await whole(request.receive)
        except KNOWN as error:
            return await answer_error(request, error)
        body = self.read(data)
        if body is None:
            return replayed(data, request.receive)
        return await self.answer(request, {**params, "body": body})

    def read(self, data: bytes) -> BaseModel | None:
        """The body; None where it is not as it should be."""
        try:
            value = orjson.loads(data)
            return None if any(problems(self._model, value)) else self._model.model_validate(value)
        except (orjson.JSONDecodeError, ValidationError, LocatedError):
            return None


class QuickForm(QuickRoute):
    """With a form, which the endpoint reads from the request."""

    def takes(self, headers: Mapping[bytes, bytes]) -> bool:
        return headers.get(b"content-type", b"").startswith(b"multipart/form-data;")

    async def respond(self, request: Request, params: Mapping[str, str]) -> Response | Receive:
        return await self.answer(request, {**params, "request": request})


class QuickRoutes:
    """ASGI middleware, the innermost one: `routes` are tried before the framework's."""

    def __init__(self, app: ASGIApp, routes: Sequence[QuickRoute]) -> None:
        self.app = app
        self.routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if is_plain(scope):
            path, headers = path_of(scope), dict(scope["headers"])
            for route in self.routes:
                if (params := route.params(path)) is not None and route.takes(headers):
                    await self._answer(route, params, scope, receive, send)
                    return
        await self.app(scope, receive, send)

    async def _answer(
        self, route: QuickRoute, params: Mapping[str, str], scope: Scope, receive: Receive, send: Send
    ) -> None:
        request = Request(scope, receive)
        scope["route"] = route  # for those who count, also where nobody is there any more to be answered
        response = await route.respond(request, params)
        if isinstance(response, Response):
            await response(scope, receive, send)
            return
        del scope["route"]
        await self.app(scope, response, send)
