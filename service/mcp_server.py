"""The tools of a Model Context Protocol server: embed, search, add and classify, by way of the HTTP service.

The service may run elsewhere or in this process; either way each tool is one request, so what goes wrong
has the message that HTTP callers get, and reaches the model as a tool's error.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, TypeAlias
from urllib.parse import quote

import httpx
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field
from starlette.applications import Starlette

# Longer than any single answer should take, so that a tool never hangs.
PATIENCE_S = 120.0
UNAUTHORIZED = 401
INSTRUCTIONS = (
    "Text, images, video, sound, depth, thermal pictures and movement in one space of vectors. "
    "Content is a string (text) or an object with one key: "
    '{"text"}, {"image"}, {"audio"}, {"video"}, {"depth"}, {"thermal"}, {"imu"}: base64, or '
    '{"file": PATH} where the server was given a folder of files; {"id"}: a stored item (searches). '
    'Several contents as a query are blended; each may have a "weight", negative to lead away.'
)

Content: TypeAlias = str | dict[str, Any]
Contents = Annotated[Content | list[Content], Field(description="one content or several")]
Name = Annotated[str, Field(min_length=1, description="the collection")]


def file_below(root: Path | None, name: Any) -> bytes:
    """Bytes of a file below `root`. Raises ToolError."""
    if root is None:
        raise ToolError("files are not open to this server; start it with --files FOLDER")
    try:
        path = (root / str(name)).resolve()
        if not path.is_relative_to(root.resolve()):
            raise ToolError(f"{name!r} lies outside the folder that is open to this server")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise ToolError(f"{name!r} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def filled(value: Any, root: Path | None) -> Any:
    """`value` with every `{"file": PATH}` replaced by the file's base64. Raises ToolError."""
    if isinstance(value, dict):
        if set(value) == {"file"}:
            return base64.b64encode(file_below(root, value["file"])).decode()
        return {key: filled(each, root) for key, each in value.items()}
    return [filled(each, root) for each in value] if isinstance(value, list) else value


def given(**values: Any) -> dict[str, Any]:
    """Those that are not None."""
    return {name: value for name, value in values.items() if value is not None}


class Service:
    """The HTTP service as the tools see it. `files`: the folder whose files may be named."""

    def __init__(self, http: httpx.AsyncClient, files: Path | None = None) -> None:
        self.http = http
        self.files = files

    async def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The answer. Raises ToolError with the service's message."""
        content = await asyncio.to_thread(filled, dict(body), self.files)
        return await self.request("POST", path, content)

    async def request(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """The answer, also one that says of every single item why it was refused. Raises ToolError."""
        try:
            response = await self.http.request(method, path, json=body)
            answer = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise ToolError(
                f"no answer from {self.http.base_url}: {error or type(error).__name__}"
            ) from error
        if response.is_success and isinstance(answer, dict):
            return answer
        told = answer.get("error") if isinstance(answer, dict) else None
        message = told.get("message") if isinstance(told, dict) else None
        if response.status_code == UNAUTHORIZED:
            message = f"{message} (`sensorium mcp` takes it with --api-key KEY or from SENSORIUM_API_KEY)"
        raise ToolError(message or f"the service answered {response.status_code}")


def collection_path(name: str, rest: str = "") -> str:
    return f"/v1/collections/{quote(name, safe='')}{rest}"


def make_server(service: Service) -> MCPServer:
    """The server with its tools."""
    server = MCPServer(
        "sensorium", instructions=INSTRUCTIONS, version=version("sensorium"), log_level="ERROR"
    )

    @server.tool()
    async def embed(inputs: Contents, dimensions: int | None = None) -> dict[str, Any]:
        """Vectors of texts and media, one for each input, in one space."""
        answer = await service.post("/v1/embeddings", {"input": inputs, **given(dimensions=dimensions)})
        data = answer["data"]
        notes = [entry["notes"] for entry in data]
        return {
            "model": answer["model"],
            "vectors": [entry["embedding"] for entry in data],
            "modalities": [entry["modality"] for entry in data],
            **({"notes": notes} if any(notes) else {}),
        }

    @server.tool()
    async def search(
        collection: Name,
        query: Contents,
        limit: Annotated[int, Field(ge=1, le=1000)] = 10,
        modalities: list[str] | None = None,
        filter: dict[str, Any] | None = None,  # noqa: A002 - the word of the wire contract
    ) -> dict[str, Any]:
        """The items of a collection nearest to a text, a picture, a sound, .. or a blend of several.

        `filter` is a condition on the metadata: {"must": [{"key": "lang", "match": {"value": "en"}}]}.
        """
        options = given(modalities=modalities, filter=filter)
        return await service.post(
            collection_path(collection, "/search"), {"query": query, "limit": limit, **options}
        )

    @server.tool()
    async def add(
        collection: Name,
        content: Content,
        id: str | None = None,  # noqa: A002 - the word of the wire contract
        metadata: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Store one item; the collection is made where there is none. The same id replaces."""
        await service.request("PUT", collection_path(collection), {})
        item = {"content": content, **given(id=id, metadata=metadata)}
        answer = await service.post(collection_path(collection, "/items"), {"items": [item]})
        stored: dict[str, Any] = answer["results"][0]
        return stored

    @server.tool()
    async def classify(
        inputs: Contents,
        labels: list[str] | None = None,
        label_set: Annotated[str | None, Field(description="a stored set, in place of `labels`")] = None,
        templates: list[str] | str | None = None,
        top_k: Annotated[
            int | None, Field(ge=1, description="all `labels`, or 5 of a set, by default")
        ] = None,
    ) -> dict[str, Any]:
        """Which of the labels fits each input best, with probabilities among those labels."""
        most = top_k or (len(labels) if labels else None)
        options = given(labels=labels, label_set=label_set, templates=templates, top_k=most)
        return await service.post("/v1/classify", {"input": inputs, **options})

    return server


@asynccontextmanager
async def elsewhere(url: str, api_key: str | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """A service that runs at `url`."""
    headers = {} if api_key is None else {"authorization": f"Bearer {api_key}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=PATIENCE_S) as http:
        yield http


@asynccontextmanager
async def here(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    """The application in this process; it loads while the tools already answer that it does."""
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://sensorium", timeout=PATIENCE_S
        ) as http:
            yield http
