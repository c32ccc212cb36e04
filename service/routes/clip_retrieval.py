"""clip-retrieval's back end over collections, for its web page and its ClipClient.

A collection is one of its "indices". Shapes: clip_retrieval/clip_back.py and clip_client.py of
rom1504/clip-retrieval 2.45.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import numpy as np
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from index import Collection, Hit
from index import errors as index_errors
from models.errors import ParameterError
from service.answers import Answer
from service.dependencies import ReadyEngine
from service.engine import Engine
from service.errors import LocatedError, TooLargeError, unknown_modality
from service.openapi import errors
from service.parts import Part, Stored, parse_part
from service.requests import JSONRequest, StrictRoute, check_encoding, read_json
from service.search import Wanted, search

ERRORS = errors(400, 404, 409, 413, 415, 422, 429, 503)
MOST_IDS = 10_000
# Two pictures whose unit vectors agree this much are one picture saved twice.
SAME = 0.99


class AnyTypeRoute(StrictRoute):
    """A JSON route that does not ask for the body's media type: a browser's `fetch` says text/plain."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            check_encoding(request)
            return await handler(JSONRequest(request.scope, request.receive))

        return handle


router = APIRouter(tags=["clip-retrieval"], route_class=AnyTypeRoute)


class KnnRequest(BaseModel):
    """One of `text`, `image`, `image_url`, `embedding_input`; the first that is there counts.

    `use_mclip`, `aesthetic_score`, `aesthetic_weight`, `use_safety_model` and `use_violence_detector`
    belong to models that are not here and change nothing.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"text": "a dog", "modality": "image", "num_images": 10}]}
    )

    text: str | None = None
    image: str | None = Field(default=None, description="base64")
    image_url: str | None = None
    embedding_input: list[float] | None = None
    modality: str = Field(default="image", description="modality of the items that are looked for")
    num_images: int = Field(default=100, ge=1, le=MOST_IDS, description="how many come with metadata")
    num_result_ids: int | None = Field(default=None, ge=1, le=MOST_IDS, description="how many come at all")
    indice_name: str | None = Field(default=None, description="the collection; the first one by default")
    deduplicate: bool = Field(default=False, description="leave out what is nearly the same as a better one")


class MetadataRequest(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"ids": ["note-1"], "indice_name": "zoo"}]})

    ids: list[str]
    indice_name: str | None = None


class ItemMetadata(BaseModel):
    id: str
    metadata: dict[str, Any]


class Neighbour(BaseModel):
    """The item's metadata stand beside; `url` leads to the original file unless the metadata have one."""

    model_config = ConfigDict(extra="allow")

    id: str
    similarity: float
    url: Any = None
    caption: Any = None


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    """`openapi_extra` of a route that reads its JSON by itself."""
    schema = model.model_json_schema()
    examples = schema.pop("examples", [])
    content = {"schema": schema, "examples": {"example-1": {"value": examples[0]}}}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def collection_named(engine: Engine, name: str | None) -> Collection:
    """The collection, or the first of the loaded models'. Raises index errors."""
    if name:
        return engine.collection(name)
    names = names_of(engine)
    if not names:
        raise index_errors.UnknownCollection("there is no collection yet; make one and fill it")
    return engine.collection(names[0])


def names_of(engine: Engine) -> list[str]:
    identities = {each.embedder.identity for each in engine.serving.all}
    return [each.name for each in engine.store.list() if each.identity in identities]


def media_path(collection: str, identifier: str) -> str:
    return f"/v1/collections/{collection}/items/{quote(identifier, safe='')}/media"


def own_item(address: str, collection: str) -> str | None:
    """The id in an address that this service gave as an item's `url`; None for any other."""
    before, after = media_path(collection, "\0").split("%00")
    path = urlsplit(address).path
    if before not in path or not path.endswith(after):
        return None
    return unquote(path.split(before, 1)[1].removesuffix(after)) or None


def query_of(body: KnnRequest, collection: str) -> Part:
    """What is looked for. Raises LocatedError."""
    if body.text:
        return parse_part(body.text, "text")
    if body.image:
        return parse_part({"image": body.image}, "image")
    if body.image_url:
        identifier = own_item(body.image_url, collection)
        if identifier is not None:
            return Part(Stored(identifier), "image_url")
        return parse_part({"image": body.image_url}, "image_url")
    if body.embedding_input:
        return parse_part({"vector": body.embedding_input, "modality": "image"}, "embedding_input")
    message = "nothing to look for; send one of text, image, image_url, embedding_input"
    raise LocatedError(ParameterError(message), "text")


def different(hits: Sequence[Hit]) -> list[Hit]:
    """The hits without those that are nearly the same as a better one."""
    kept: list[Hit] = []
    for hit in hits:
        vectors = [each.vector for each in kept if each.vector is not None]
        if hit.vector is None or not vectors or float((np.stack(vectors) @ hit.vector).max()) < SAME:
            kept.append(hit)
    return kept


def metadata_of(collection: Collection, hit: Hit, base: str) -> dict[str, Any]:
    """The item's own metadata with `url` and `caption` where these are not among them."""
    metadata = dict(hit.metadata)
    if collection.keeps_media and hit.modality != "text":
        metadata.setdefault("url", base + media_path(collection.name, hit.id))
    if hit.modality == "text" and "caption" not in metadata:
        with suppress(index_errors.NoMedia):
            metadata["caption"] = collection.media(hit.id)[0].decode(errors="replace")
    return metadata


def neighbours(collection: Collection, hits: Sequence[Hit], body: KnnRequest, base: str) -> list[Any]:
    """Metadata with the first `num_images`, id and similarity alone with the others."""
    wanted = different(hits) if body.deduplicate else list(hits)
    return [
        {
            **(metadata_of(collection, hit, base) if place < body.num_images else {}),
            "id": hit.id,
            "similarity": hit.score,
        }
        for place, hit in enumerate(wanted)
    ]


@router.post(
    "/knn-service", response_model=list[Neighbour], responses=ERRORS, openapi_extra=body_of(KnnRequest)
)
async def knn_service(request: Request, engine: ReadyEngine) -> Answer:
    """The nearest items of one modality."""
    body = await read_json(request, KnnRequest)
    if body.modality not in engine.senses:
        raise LocatedError(unknown_modality(body.modality, engine.senses), "modality")
    collection = await engine.in_index(collection_named, engine, body.indice_name)
    query = await engine.in_reader(query_of, body, collection.name)
    wanted = Wanted(limit=body.num_result_ids or body.num_images, conditions={"modalities": [body.modality]})
    found, _ = await search(engine, collection, query, wanted)
    base = str(request.base_url).rstrip("/")
    hits = [each.hit for each in found]
    return Answer(await engine.in_index(neighbours, collection, hits, body, base))


@router.get("/indices-list", response_model=list[str], responses=errors(503))
async def indices_list(engine: ReadyEngine) -> Answer:
    """The collections of the loaded models."""
    return Answer(await engine.in_index(names_of, engine))


@router.post(
    "/metadata", response_model=list[ItemMetadata], responses=ERRORS, openapi_extra=body_of(MetadataRequest)
)
async def metadata(request: Request, engine: ReadyEngine) -> Answer:
    """The metadata of items, in the order of `ids`."""
    body = await read_json(request, MetadataRequest)
    if len(body.ids) > MOST_IDS:
        raise LocatedError(TooLargeError(f"{len(body.ids)} ids; at most {MOST_IDS} are allowed"), "ids")
    base = str(request.base_url).rstrip("/")

    def read() -> list[Any]:
        collection = collection_named(engine, body.indice_name)
        items = [collection.get(identifier) for identifier in body.ids]
        hits = [Hit(item.id, item.modality, 0.0, None, item.metadata) for item in items]
        return [{"id": hit.id, "metadata": metadata_of(collection, hit, base)} for hit in hits]

    return Answer(await engine.in_index(read))
