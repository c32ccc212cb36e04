"""Search of a collection with anything."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from service.answers import Answer
from service.dependencies import ReadyEngine
from service.errors import LocatedError, unknown_modality
from service.openapi import ONE_MODALITY, QUERY, SEARCH_EXAMPLES, CollectionName, errors
from service.parts import Senses, parse_query
from service.requests import Filter, StrictRoute
from service.routes.items import SegmentAnswer
from service.search import Found, Wanted, search

LIGHT = frozenset({"text", "vector", "id", "modality", "weight"})
"""Keys of parts that hold no media."""

COLLECTION = "/v1/collections/{name}"
PATH = f"{COLLECTION}/search"

router = APIRouter(prefix=COLLECTION, tags=["search"], route_class=StrictRoute)


class SearchRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": SEARCH_EXAMPLES})

    query: Annotated[Any, QUERY]
    limit: int = Field(default=10, ge=1, le=1000)
    offset: int = Field(default=0, ge=0, le=100_000)
    modalities: list[Annotated[str, WithJsonSchema(ONE_MODALITY)]] | None = Field(
        default=None, min_length=1, description="only items of these"
    )
    filter: Filter | None = Field(default=None, description="condition on the metadata")
    per_modality: int | None = Field(default=None, ge=1, description="most results of each modality")
    score_threshold: float | None = Field(default=None, description="least cosine")
    group_by: str | None = Field(
        default=None, min_length=1, description="only the best result for each value of this metadata key"
    )
    diversity: float = Field(default=0.0, ge=0, le=1, description="share of novelty against relevance")
    fusion: Literal["sum", "rrf"] = Field(
        default="sum", description="several parts: one blended vector, or a search each and their ranks fused"
    )
    calibrate: bool = Field(
        default=True, description="order several modalities by how far scores lie above background"
    )
    recall: float | None = Field(
        default=None,
        ge=0.9,
        le=0.999,
        description="share of the true neighbours to find, in place of the collection's own",
    )
    with_metadata: bool = True
    with_vector: bool = False


class Result(BaseModel):
    """`rrf` where ranks were fused, `group` where results were grouped."""

    id: str
    modality: str
    score: float
    calibrated: float | None
    metadata: dict[str, Any] | None = None
    segment: SegmentAnswer | None = Field(
        default=None, description="which stretch of a long recording was nearest; null: the whole was"
    )
    vector: list[float] | None = None
    rrf: float | None = None
    group: Any = None


class SearchAnswer(BaseModel):
    results: list[Result]
    model: str
    notes: list[str]


def check_modalities(names: list[str] | None, senses: Senses) -> None:
    """Raise LocatedError for a name that none of the modalities has."""
    for i, name in enumerate(names or []):
        if name not in senses:
            raise LocatedError(unknown_modality(name, senses), f"modalities[{i}]")


def is_light(query: Any) -> bool:
    """Whether a query is read in less time than a thread takes to wake up: one part without media."""
    return isinstance(query, str) or (isinstance(query, dict) and not query.keys() - LIGHT)


def result_object(found: Found, body: SearchRequest) -> dict[str, Any]:
    hit = found.hit
    result: dict[str, Any] = {
        "id": hit.id,
        "modality": hit.modality,
        "score": hit.score,
        "calibrated": hit.calibrated,
    }
    if body.with_metadata:
        result["metadata"] = hit.metadata
    if hit.segment is not None:
        result["segment"] = {"start_s": hit.segment.start_s, "end_s": hit.segment.end_s}
    if body.with_vector:
        result["vector"] = hit.vector
    if body.fusion == "rrf":
        result["rrf"] = found.rank_score
    if body.group_by is not None:
        result["group"] = found.group
    return result


@router.post("/search", response_model=SearchAnswer, responses=errors(400, 404, 409, 413, 415, 422, 429, 503))
async def search_collection(name: CollectionName, body: SearchRequest, engine: ReadyEngine) -> Answer:
    """The items nearest to the query, whatever either of them is."""
    collection = engine.collection(name)
    embedder = engine.model_of(collection).embedder
    most, senses = engine.settings.max_batch_items, embedder.senses
    check_modalities(body.modalities, senses)
    parsing = (body.query, "query", most, senses)
    query = parse_query(*parsing) if is_light(body.query) else await engine.in_reader(parse_query, *parsing)
    wanted = Wanted(
        limit=body.limit,
        offset=body.offset,
        per_modality=body.per_modality,
        group_by=body.group_by,
        diversity=body.diversity,
        fusion=body.fusion,
        conditions={
            "modalities": body.modalities,
            "filter": body.filter,
            "score_threshold": body.score_threshold,
            "calibrate": body.calibrate,
            "recall": body.recall,
        },
    )
    found, notes = await search(engine, collection, query, wanted)
    results = [result_object(each, body) for each in found]
    return Answer({"results": results, "model": embedder.name, "notes": notes})
