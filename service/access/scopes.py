"""Which scope each route asks for: the one table of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from starlette.routing import compile_path

from service.access.keys import ADMIN, READ, WRITE

OPEN = ""
NAMED = "/v1/collections/{name}"
# (method, path of the route) -> scope; HEAD counts as GET
ROUTES: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        # whether it lives, and what a browser has to load before it can send a key
        ("GET", "/healthz"): OPEN,
        ("GET", "/readyz"): OPEN,
        ("GET", "/.well-known/live"): OPEN,
        ("GET", "/.well-known/ready"): OPEN,
        ("GET", "/"): OPEN,
        ("GET", "/page/{path:path}"): OPEN,
        ("GET", "/docs"): OPEN,
        ("GET", "/docs/{file}"): OPEN,
        ("GET", "/openapi.json"): OPEN,
        # the model
        ("GET", "/v1/models"): READ,
        ("GET", "/v1/models/{model:path}"): READ,
        ("POST", "/v1/embeddings"): READ,
        ("POST", "/v1/embeddings/{modality}"): READ,
        ("POST", "/v1/multimodalembeddings"): READ,
        ("POST", "/v1/embed"): READ,
        ("POST", "/v2/embed"): READ,
        ("POST", "/v1/classify"): READ,
        ("POST", "/v1/similarity"): READ,
        ("GET", "/v1/label-sets"): READ,
        ("GET", "/v1/label-sets/{name}"): READ,
        ("PUT", "/v1/label-sets/{name}"): WRITE,
        ("DELETE", "/v1/label-sets/{name}"): WRITE,
        # collections: made by those who fill them, but thrown away as a whole only by an administrator
        ("GET", "/v1/collections"): READ,
        ("GET", NAMED): READ,
        ("PUT", NAMED): WRITE,
        ("DELETE", NAMED): ADMIN,
        ("POST", f"{NAMED}/search"): READ,
        ("GET", f"{NAMED}/map"): READ,
        ("GET", f"{NAMED}/items"): READ,
        ("POST", f"{NAMED}/items"): WRITE,
        ("POST", f"{NAMED}/items/delete"): WRITE,
        ("GET", f"{NAMED}/items/{{item_id:path}}/media"): READ,
        ("GET", f"{NAMED}/items/{{item_id:path}}/preview"): READ,
        ("GET", f"{NAMED}/items/{{item_id:path}}"): READ,
        ("DELETE", f"{NAMED}/items/{{item_id:path}}"): WRITE,
        # read files of the server's disk into any collection
        ("GET", "/v1/jobs"): ADMIN,
        ("POST", "/v1/jobs"): ADMIN,
        ("GET", "/v1/jobs/{job_id}"): ADMIN,
        ("POST", "/v1/jobs/{job_id}/cancel"): ADMIN,
        # the doors of others
        ("POST", "/vectorize"): READ,
        ("GET", "/meta"): READ,
        ("POST", "/knn-service"): READ,
        ("GET", "/indices-list"): READ,
        ("POST", "/metadata"): READ,
        # names of collections stand in it
        ("GET", "/metrics"): READ,
    }
)
PATTERNS: tuple[tuple[str, re.Pattern[str], str], ...] = tuple(
    (method, compile_path(path)[0], scope) for (method, path), scope in ROUTES.items() if "{" in path
)


def needed(method: str, path: str) -> str | None:
    """The scope for a request, OPEN for none; None where no route is, which any key may be told."""
    method = "GET" if method == "HEAD" else method
    if (method, path) in ROUTES and "{" not in path:
        return ROUTES[method, path]
    return next((scope for verb, shape, scope in PATTERNS if verb == method and shape.match(path)), None)
