"""Small pictures of items, for pages that show them."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from starlette.routing import Match
from starlette.types import Scope

from models.errors import ParameterError
from service.dependencies import ReadyEngine
from service.engine import limits_of
from service.openapi import CollectionName, errors
from service.preview import Preview, preview
from service.query_names import QueryRoute

LAST_STEP = b"/preview"
MOST_KEPT = 256
HEADERS = {
    "cache-control": "private, no-cache",
    "content-security-policy": "sandbox",
    "x-content-type-options": "nosniff",
}


class PreviewRoute(QueryRoute):
    """Ids may hold slashes: only a last step that was not sent as `%2Fpreview` asks for the preview."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """NONE where the end of the path belongs to the id."""
        if not scope.get("raw_path", LAST_STEP).endswith(LAST_STEP):
            return Match.NONE, {}
        return super().matches(scope)


class Kept:
    """The previews drawn last, by what they were drawn of."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._drawn: OrderedDict[str, Preview] = OrderedDict()

    def get(self, key: str) -> Preview | None:
        if key in self._drawn:
            self._drawn.move_to_end(key)
        return self._drawn.get(key)

    def put(self, key: str, drawn: Preview) -> None:
        self._drawn[key] = drawn
        while len(self._drawn) > self._most:
            self._drawn.popitem(last=False)


KEPT = Kept(MOST_KEPT)
router = APIRouter(prefix="/v1/collections/{name}/items", tags=["items"], route_class=PreviewRoute)


def is_known(request: Request, tag: str) -> bool:
    return tag in request.headers.get("if-none-match", "")


def answer(drawn: Preview, headers: Mapping[str, str]) -> Response:
    return Response(drawn.data, media_type=drawn.media_type, headers={**headers, **drawn.facts})


@router.get(
    "/{item_id:path}/preview",
    response_class=Response,
    responses={
        **errors(400, 404, 422, 503),
        200: {
            "description": "The picture; of a movement its lines as JSON.",
            "content": {
                "image/webp": {"schema": {"format": "binary"}},
                "image/png": {"schema": {"format": "binary"}},
                "application/json": {"schema": {"type": "object"}},
            },
        },
        304: {"description": "The caller has it already."},
    },
)
async def read_preview(  # noqa: PLR0913, PLR0917 - the query's fields
    name: CollectionName,
    item_id: str,
    request: Request,
    engine: ReadyEngine,
    size: Annotated[int, Query(ge=32, le=1024, description="longest side [pixels]")] = 480,
    at: Annotated[float | None, Query(ge=0, description="time of a video's frame [s]")] = None,
) -> Response:
    """A photograph or frame made small, a sound's mel spectrum, a map in colours; a movement as JSON."""
    collection = await engine.in_index(engine.store.get, name)
    item = await engine.in_index(collection.get, item_id)
    if item.modality == "text":
        raise ParameterError("a text has no preview; its words are at `/media`")
    data, _ = await engine.in_index(collection.media, item_id)
    facts = f"{item.modality} {size} {at} ".encode()
    tag = hashlib.sha256(facts + data).hexdigest()[:32]
    headers = {**HEADERS, "etag": f'"{tag}"'}
    if is_known(request, tag):
        return Response(status_code=304, headers=headers)
    drawn = KEPT.get(tag)
    if drawn is None:
        limits = limits_of(engine.settings)
        loop = asyncio.get_running_loop()
        drawn = await loop.run_in_executor(engine.painters, preview, item.modality, data, limits, size, at)
        KEPT.put(tag, drawn)
    return answer(drawn, headers)
