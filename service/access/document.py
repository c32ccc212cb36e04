"""What the OpenAPI document says of keys and limits, where the server has them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from fastapi import FastAPI

from service.access.scopes import OPEN, ROUTES

SCHEME = "key"
ERROR: Mapping[str, Any] = {
    "application/json": {"schema": {"$ref": "#/components/schemas/ErrorBody"}},
}
TOLD_TO_ALL: Mapping[str, str] = MappingProxyType(
    {
        "401": "No API key, or one that is not known here.",
        "403": "The key lacks the scope, or the request comes from a page of another site.",
        "429": "The queue is full, or the key's rate is used up; come back after Retry-After seconds.",
    }
)


def scope_of(method: str, path: str) -> str | None:
    """The scope of a path as the document spells it, which is without `:path`."""
    spelled = {(verb, route.replace(":path}", "}")): scope for (verb, route), scope in ROUTES.items()}
    return spelled.get((method.upper(), path))


def closed(operation: dict[str, Any], scope: str | None) -> None:
    operation["security"] = [{SCHEME: []}]
    operation["description"] = f"{operation.get('description', '')}\n\nScope: `{scope}`.".strip()
    for status, meaning in TOLD_TO_ALL.items():
        operation["responses"][status] = {"description": meaning, "content": ERROR}


def with_keys(written: dict[str, Any]) -> dict[str, Any]:
    """The document with the scheme of the keys, and on each operation what it asks for."""
    written["components"]["securitySchemes"] = {
        SCHEME: {"type": "http", "scheme": "bearer", "description": "an API key of this server"}
    }
    for path, operations in written["paths"].items():
        for method, operation in operations.items():
            scope = scope_of(method, path)
            if scope != OPEN:
                closed(operation, scope)
    return written


def install(app: FastAPI) -> None:
    """Make `app.openapi()` tell of the keys, where there are any."""
    if app.state.access.keyring is None:
        return
    former = app.openapi

    def document() -> dict[str, Any]:
        written = former()
        if "securitySchemes" not in written["components"]:
            with_keys(written)
        return written

    app.openapi = document  # type: ignore[method-assign] # FastAPI's documented way to extend the document
