"""What Weaviate asks of its inference containers: multi2vec-bind, and multi2vec-clip, which is a part of it.

Shapes: modules/multi2vec-bind/clients/vectorizer.go of weaviate/weaviate. Its client reads `error` as a
string, so these routes say it so and not as OpenAI's object.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict

from models.errors import MediaError
from service.answers import Answer
from service.dependencies import AnyEngine, ReadyEngine
from service.engine import Engine
from service.errors import LocatedError, fault_of
from service.openapi import MEANINGS
from service.parts import Media, Part, parse_part, too_many
from service.requests import StrictRoute
from service.vectorizer import Embedded, all_or_nothing

# Field of the request -> its modality and the field of the answer.
FIELDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "texts": ("text", "textVectors"),
        "images": ("image", "imageVectors"),
        "audio": ("audio", "audioVectors"),
        "video": ("video", "videoVectors"),
        "imu": ("imu", "imuVectors"),
        "thermal": ("thermal", "thermalVectors"),
        "depth": ("depth", "depthVectors"),
    }
)
# Weaviate sends files without a word about them. Where a file does not say it itself: grey pictures are depth
# without a scale, and a recording has the 2000 samples in 5 s that ImageBind's IMU encoder takes (400 Hz).
PRESUMED: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {"depth": {"unit": "relative"}, "imu": {"sample_rate": 400.0}}
)


class WeaviateError(BaseModel):
    """`param` is the place in the request, such as `images[3]`."""

    error: str
    code: str | None
    param: str | None


ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": WeaviateError, "description": MEANINGS[status]}
    for status in (400, 413, 415, 422, 429, 500, 503)
}


class WeaviateRoute(StrictRoute):
    """A route whose errors are `{"error": "..."}`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await handler(request)
            except Exception as error:  # noqa: BLE001 - the table of errors decides what is told
                fault = fault_of(error)
                told = fault.object()
                body = {"error": told["message"], "code": told["code"], "param": told["param"]}
                return Answer(body, fault.status, headers=dict(fault.headers))

        return handle


router = APIRouter(tags=["weaviate"], route_class=WeaviateRoute)


class VectorizeRequest(BaseModel):
    """Media as base64; a field may be left out or null."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"texts": ["a dog barking"]}]})

    texts: list[str] | None = None
    images: list[str] | None = None
    audio: list[str] | None = None
    video: list[str] | None = None
    imu: list[str] | None = None
    thermal: list[str] | None = None
    depth: list[str] | None = None


class VectorizeAnswer(BaseModel):
    """Unit vectors in the order of the inputs."""

    textVectors: list[list[float]]  # noqa: N815 - Weaviate's names
    imageVectors: list[list[float]]  # noqa: N815 - Weaviate's names
    audioVectors: list[list[float]]  # noqa: N815 - Weaviate's names
    videoVectors: list[list[float]]  # noqa: N815 - Weaviate's names
    imuVectors: list[list[float]]  # noqa: N815 - Weaviate's names
    thermalVectors: list[list[float]]  # noqa: N815 - Weaviate's names
    depthVectors: list[list[float]]  # noqa: N815 - Weaviate's names


class Meta(BaseModel):
    model: str
    modalities: list[str]
    dimension: int
    licence: str
    identity: str


def parts_of(body: VectorizeRequest, most: int) -> list[tuple[str, Part]]:
    """Field and part of every input, in order. Raises LocatedError."""
    given = {name: getattr(body, name) or [] for name in FIELDS}
    count = sum(map(len, given.values()))
    if count > most:
        raise too_many(count, "body", most)
    return [
        (name, parse_part(value, f"{name}[{i}]", FIELDS[name][0]))
        for name, values in given.items()
        for i, value in enumerate(values)
    ]


async def embed(engine: Engine, part: Part) -> Embedded:
    """The part's vector, with what is presumed of its modality where it cannot be read without."""
    try:
        return await engine.vectorizer.embed(part)
    except LocatedError as error:
        content = part.content
        if not isinstance(error.cause, MediaError) or not isinstance(content, Media):
            raise
        presumed = PRESUMED.get(content.modality)
        if presumed is None:
            raise
        try:
            return await engine.vectorizer.embed(replace(part, content=replace(content, params=presumed)))
        except LocatedError:
            raise error from None


@router.post("/vectorize", response_model=VectorizeAnswer, responses=ERRORS)
async def vectorize(body: VectorizeRequest, engine: ReadyEngine) -> Answer:
    """Vectors of texts and media, as multi2vec-bind and multi2vec-clip give them; all or nothing."""
    inputs = await engine.in_reader(parts_of, body, engine.settings.max_batch_items)
    parts = [part for _, part in inputs]
    with engine.vectorizer.admission(parts):
        embedded = await all_or_nothing([embed(engine, part) for part in parts])
    answer: dict[str, list[Any]] = {key: [] for _, key in FIELDS.values()}
    for (name, _), one in zip(inputs, embedded, strict=True):
        answer[FIELDS[name][1]].append(one.vector)
    return Answer(answer)


@router.get("/meta", response_model=Meta, responses={503: ERRORS[503], 500: ERRORS[500]})
async def meta(engine: ReadyEngine) -> Answer:
    """What Weaviate shows of its module."""
    embedder = engine.embedder
    facts = {"model": embedder.name, "modalities": embedder.modalities, "dimension": embedder.dim}
    return Answer({**facts, "licence": embedder.licence, "identity": embedder.identity})


@router.get("/.well-known/live", status_code=204, responses={500: ERRORS[500]})
async def live() -> Response:
    """204 while the process lives."""
    return Response(status_code=204)


@router.get("/.well-known/ready", status_code=204, responses={503: ERRORS[503], 500: ERRORS[500]})
async def ready(engine: AnyEngine) -> Response:
    """204 while requests can be served, else 503 with the reason."""
    engine.check_ready()
    return Response(status_code=204)
