"""A collection as points in the plane."""

from __future__ import annotations

from base64 import b64encode
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from index import Map
from service.answers import Answer
from service.dependencies import ReadyEngine
from service.openapi import CollectionName, errors
from service.requests import StrictRoute

router = APIRouter(prefix="/v1/collections/{name}/map", tags=["collections"], route_class=StrictRoute)
MOST_POINTS = 100_000


class MapAnswer(BaseModel):
    """Arrays of one entry for each point, in one order; numbers as base64 of their little-endian bytes."""

    points: int = Field(description="items shown")
    total: int = Field(description="items there were when the map was made")
    modalities: list[str]
    x: str = Field(description="base64 of float32, -1 to 1")
    y: str = Field(description="base64 of float32, -1 to 1")
    modality: str = Field(description="base64 of uint8, an index into `modalities`")
    ids: list[str]
    generation: str = Field(description="another one after every change of the collection")
    projection: Literal["pca", "umap"]
    state: Literal["fresh", "stale"] = Field(description="stale: a newer or better map is being made")


def packed(values: Any) -> str:
    return b64encode(values.tobytes()).decode("ascii")


def described(found: Map) -> dict[str, Any]:
    places = found.places.astype("<f4")
    return {
        "points": len(found.ids),
        "total": found.total,
        "modalities": found.modalities,
        "x": packed(places[:, 0]),
        "y": packed(places[:, 1]),
        "modality": packed(found.modality),
        "ids": found.ids,
        "generation": found.generation,
        "projection": found.method,
        "state": "fresh" if found.fresh else "stale",
    }


@router.get("", response_model=MapAnswer, responses=errors(400, 404, 503))
async def read_map(
    name: CollectionName,
    engine: ReadyEngine,
    limit: Annotated[int, Query(ge=1, le=MOST_POINTS, description="most points")] = 50_000,
) -> Answer:
    """Items as points of a plane, in which those of similar vectors lie together.

    Where there are more than `limit`, a sample of each modality, always the same. The map is made in the
    background and kept until the collection changes: first its two principal components, then a layout of
    neighbourhoods. While `state` is `stale`, ask again a little later.
    """

    # It may wait for a map, which must not hold up those who search.
    def read() -> Answer:
        return Answer(described(engine.store.get(name).map(limit)))

    return await run_in_threadpool(read)
