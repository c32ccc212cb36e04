"""The original files of items."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import APIRouter, Response
from starlette.routing import Match
from starlette.types import Scope

from service.access.headers import ORIGINAL_POLICY
from service.dependencies import ReadyEngine
from service.media_types import shown_as
from service.openapi import CollectionName, errors
from service.query_names import QueryRoute

LAST_STEP = b"/media"


class MediaRoute(QueryRoute):
    """Ids may hold slashes: only a last step that was not sent as `%2Fmedia` asks for the media."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """NONE where the end of the path belongs to the id."""
        if not scope.get("raw_path", LAST_STEP).endswith(LAST_STEP):
            return Match.NONE, {}
        return super().matches(scope)


router = APIRouter(prefix="/v1/collections/{name}/items", tags=["items"], route_class=MediaRoute)


@router.get(
    "/{item_id:path}/media",
    response_class=Response,
    responses={
        **errors(400, 404, 503),
        200: {"description": "The original file.", "content": {"*/*": {"schema": {"format": "binary"}}}},
    },
)
async def read_media(name: CollectionName, item_id: str, engine: ReadyEngine) -> Response:
    """The original file of an item, where the collection keeps it."""
    collection = await engine.in_index(engine.store.get, name)
    data, media_type = await engine.in_index(collection.media, item_id)
    kind, disposition = shown_as(media_type)
    name = f"{disposition}; filename*=UTF-8''{quote(item_id.rsplit('/', 1)[-1], safe='')}"
    headers = {"content-security-policy": ORIGINAL_POLICY, "content-disposition": name}
    return Response(data, media_type=kind, headers=headers)
