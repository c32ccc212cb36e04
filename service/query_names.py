"""The names in the query of an address: one that a route does not know is refused, as in a JSON body."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from models.errors import ParameterError
from service.errors import LocatedError

LONGEST_NAME = 80
# Elsewhere are the doors of others, the page and the health checks, whose callers add what they like.
PREFIX = "/v1/"


def names_of(dependant: Dependant) -> set[str]:
    """What an endpoint and what it depends on read from the query."""
    own = {each.alias for each in dependant.query_params}
    return own.union(*map(names_of, dependant.dependencies))


def check_names(request: Request, known: set[str]) -> None:
    """Raise LocatedError for a name of the query that is not `known`."""
    unknown = next((name for name in request.query_params if name not in known), None)
    if unknown is not None:
        name = unknown[:LONGEST_NAME]
        accepted = ", ".join(sorted(known)) or "none"
        message = f"unknown parameter {name!r} in the query; accepted: {accepted}"
        raise LocatedError(ParameterError(message, code="unknown_parameter"), name)


class QueryRoute(APIRoute):
    """A route that knows the names of its query where it only reads (GET) below `/v1`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()
        known = names_of(self.dependant)
        if "GET" not in (self.methods or ()) or not self.path.startswith(PREFIX):
            return handler

        async def handle(request: Request) -> Response:
            check_names(request, known)
            return await handler(request)

        return handle
