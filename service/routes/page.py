"""The page at `/`: the files of service/page, and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

PAGE = Path(__file__).parent.parent / "page"
MEDIA_TYPES: Mapping[str, str] = MappingProxyType(
    {
        ".html": "text/html; charset=utf-8",
        ".css": "text/css; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".svg": "image/svg+xml",
    }
)
FILES: Mapping[str, Path] = MappingProxyType(
    {
        path.relative_to(PAGE).as_posix(): path
        for path in sorted(PAGE.rglob("*"))
        if path.suffix in MEDIA_TYPES
    }
)
# Asked again each time, answered with 304 while nothing changed: an upgrade is seen at once.
HEADERS = {"cache-control": "no-cache", "x-content-type-options": "nosniff"}

router = APIRouter(include_in_schema=False)


def served(name: str, request: Request) -> Response:
    """A file of the page, 304 where the caller has it. Raises HTTPException 404."""
    if name not in FILES:
        raise HTTPException(404)
    data = FILES[name].read_bytes()
    tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
    headers = {**HEADERS, "etag": tag, "content-type": MEDIA_TYPES[FILES[name].suffix]}
    if tag in request.headers.get("if-none-match", ""):
        # With its type: browsers take the headers of a 304, the policy that hangs on the type among them.
        return Response(status_code=304, headers=headers)
    return Response(data, headers=headers)


@router.get("/")
async def index(request: Request) -> Response:
    """The page itself."""
    return served("index.html", request)


@router.get("/page/{path:path}")
async def asset(path: str, request: Request) -> Response:
    """What the page is made of."""
    return served(path, request)
