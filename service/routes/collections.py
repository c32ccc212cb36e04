"""Collections: made, listed, read and dropped."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from index import Collection, Store
from index.errors import Closed, Damaged
from service.answers import Answer
from service.dependencies import ReadyEngine
from service.openapi import CollectionName, errors
from service.requests import StrictRoute
from service.times import timestamp

router = APIRouter(prefix="/v1/collections", tags=["collections"], route_class=StrictRoute)
CREATED, UNCHANGED = 201, 200


class CollectionRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{}, {"recall": 0.95}]})

    model: str | None = Field(default=None, description="one of the loaded models; left out, the default one")
    recall: float = Field(
        default=0.95, ge=0.9, le=0.999, description="share of the true neighbours that searches find"
    )
    media: Literal["original", "none"] = Field(
        default="original", description="whether original files are kept"
    )


class Shelf(BaseModel):
    structure: str
    vectors: int


class CollectionAnswer(BaseModel):
    name: str
    status: Literal["ready"]
    model: str
    identity: str
    dimension: int
    items: dict[str, int]
    shelves: dict[str, Shelf]
    created_at: str
    media: str
    recall: float


class DamagedCollection(BaseModel):
    """`reason` says what is wrong with it and what can be done."""

    name: str
    status: Literal["damaged"]
    reason: str


class CollectionList(BaseModel):
    object: Literal["list"]
    data: list[CollectionAnswer | DamagedCollection]


class Dropped(BaseModel):
    name: str
    deleted: bool


def described(collection: Collection) -> dict[str, Any]:
    info = collection.info()
    return {
        "name": info.name,
        "status": "ready",
        "model": info.model,
        "identity": info.identity,
        "dimension": info.dimension,
        "items": info.items,
        "shelves": {
            name: {"structure": shelf.structure, "vectors": shelf.vectors}
            for name, shelf in info.shelves.items()
        },
        "created_at": timestamp(info.created_at),
        "media": info.media,
        "recall": info.recall,
    }


def listed(store: Store) -> list[dict[str, Any]]:
    """All collections by name, the damaged ones with the reason."""
    found: dict[str, dict[str, Any]] = {}
    for each in store.list():
        with suppress(Damaged, Closed):  # damaged or dropped since
            found[each.name] = described(each)
    for name, damage in store.damaged().items():
        found[name] = {"name": name, "status": "damaged", "reason": damage.message}
    return [found[name] for name in sorted(found)]


@router.put(
    "/{name}",
    response_model=CollectionAnswer,
    responses={
        **errors(400, 404, 409, 413, 415, 503, 507),
        CREATED: {"model": CollectionAnswer, "description": "Made."},
    },
)
async def put_collection(
    name: CollectionName, engine: ReadyEngine, body: CollectionRequest | None = None
) -> Answer:
    """201 where it was made, 200 where it was there already, 409 where it belongs to another model."""
    wanted = body or CollectionRequest()
    embedder = engine.model(wanted.model).embedder
    collection, created = await engine.in_index(
        engine.store.create,
        name,
        model=embedder.name,
        identity=embedder.identity,
        dimension=embedder.dim,
        media=wanted.media,
        recall=wanted.recall,
    )
    facts = await engine.in_index(described, collection)
    return Answer(facts, CREATED if created else UNCHANGED)


@router.get("", response_model=CollectionList, responses=errors(400, 503))
async def list_collections(engine: ReadyEngine) -> Answer:
    """All collections; those that are damaged with the reason, every use of which answers 503."""
    return Answer({"object": "list", "data": await engine.in_index(listed, engine.store)})


@router.get("/{name}", response_model=CollectionAnswer, responses=errors(400, 404, 503))
async def read_collection(name: CollectionName, engine: ReadyEngine) -> Answer:
    """What a collection is and holds."""
    return Answer(await engine.in_index(lambda: described(engine.store.get(name))))


@router.delete("/{name}", response_model=Dropped, responses=errors(400, 404, 503))
async def drop_collection(name: CollectionName, engine: ReadyEngine) -> Answer:
    """Delete a collection with everything in it."""
    await engine.in_index(engine.store.drop, name)
    return Answer({"name": name, "deleted": True})
