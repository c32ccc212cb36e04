"""The paths and answers of Cohere's and Voyage's embeddings, so that their own clients work.

Shapes: `cohere` 7.3 (ClientV2.embed, Client.embed) and `voyageai` 0.5 (multimodal_embed). Their requests are
read by the grammar of /v1/embeddings, which answers the same in OpenAI's words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal
from uuid import uuid4

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from service.answers import Answer
from service.dependencies import ReadyEngine
from service.engine import Engine
from service.openapi import errors
from service.peers import parts_of
from service.requests import StrictRoute
from service.routes.embeddings import EmbeddingsRequest, check_options, encoded, shortened
from service.vectorizer import Embedded

router = APIRouter(tags=["embeddings"], route_class=StrictRoute)
ERRORS = errors(400, 404, 413, 415, 422, 429, 503)


class CohereRequest(EmbeddingsRequest):
    """One of `texts`, `images` (data URIs) and `inputs`; options of other models change nothing."""

    model_config = ConfigDict(
        extra="ignore",
        json_schema_extra={"examples": [{"texts": ["a dog barking"], "embedding_types": ["float"]}]},
    )

    embedding_types: list[Literal["float", "base64"]] | None = Field(default=None, min_length=1)


class CohereAnswer(BaseModel):
    """`embeddings` by type, or in the first version without `embedding_types` the floats alone."""

    id: str
    response_type: Literal["embeddings_by_type", "embeddings_floats"]
    embeddings: dict[str, list[Any]] | list[list[float]]
    texts: list[str]
    meta: dict[str, Any]


class VoyageUsage(BaseModel):
    text_tokens: int
    image_pixels: int
    video_pixels: int
    total_tokens: int


class VoyageEmbedding(BaseModel):
    object: Literal["embedding"]
    embedding: list[float] | str
    index: int


class VoyageAnswer(BaseModel):
    object: Literal["list"]
    data: list[VoyageEmbedding]
    model: str
    usage: VoyageUsage


async def embedded(body: EmbeddingsRequest, engine: Engine) -> tuple[Sequence[Embedded], str]:
    """The vectors, and the model's name. Raises what /v1/embeddings raises."""
    model = engine.model(body.model)
    check_options(body, model.embedder)
    most, senses = engine.settings.max_batch_items, model.embedder.senses
    parts = await engine.fetched(await engine.in_reader(parts_of, vars(body), most, "text", senses))
    return await model.vectorizer.embed_all(parts, normalize=body.normalize), model.embedder.name


async def cohere_answer(body: CohereRequest, engine: Engine, version: str, *, by_type: bool) -> Answer:
    ones, _ = await embedded(body, engine)
    vectors = [shortened(one.vector, body) for one in ones]
    types = body.embedding_types or ["float"]
    listed = {each: [encoded(vector, each) for vector in vectors] for each in types}
    answer = {
        "id": str(uuid4()),
        "response_type": "embeddings_by_type" if by_type else "embeddings_floats",
        "embeddings": listed if by_type else listed["float"],
        "texts": body.texts or [],
        "meta": {
            "api_version": {"version": version},
            "billed_units": {"input_tokens": sum(one.tokens for one in ones)},
        },
    }
    return Answer(answer)


@router.post("/v2/embed", response_model=CohereAnswer, responses=ERRORS)
async def cohere(body: CohereRequest, engine: ReadyEngine) -> Answer:
    """Cohere's embed of its second version."""
    return await cohere_answer(body, engine, "2", by_type=True)


@router.post("/v1/embed", response_model=CohereAnswer, responses=ERRORS)
async def cohere_first(body: CohereRequest, engine: ReadyEngine) -> Answer:
    """Cohere's embed of its first version."""
    return await cohere_answer(body, engine, "1", by_type=body.embedding_types is not None)


@router.post("/v1/multimodalembeddings", response_model=VoyageAnswer, responses=ERRORS)
async def voyage(body: EmbeddingsRequest, engine: ReadyEngine) -> Answer:
    """Voyage's embeddings of mixed content: each of `inputs` is one vector."""
    ones, name = await embedded(body, engine)
    data = [
        {
            "object": "embedding",
            "embedding": encoded(shortened(one.vector, body), body.encoding_format),
            "index": i,
        }
        for i, one in enumerate(ones)
    ]
    tokens = sum(one.tokens for one in ones)
    usage = {"text_tokens": tokens, "image_pixels": 0, "video_pixels": 0, "total_tokens": tokens}
    return Answer({"object": "list", "data": data, "model": name, "usage": usage})
