"""Zero-shot classification and similarity: comparisons without a collection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from models.embedder import TOWER_OF
from models.errors import ParameterError
from service.answers import Answer
from service.batcher import Vector
from service.dependencies import ReadyEngine
from service.errors import LocatedError, TooLargeError
from service.openapi import INPUTS, errors
from service.parts import Part, Text, parse_inputs
from service.requests import StrictRoute
from service.vectorizer import Embedded, Vectorizer, unit

router = APIRouter(prefix="/v1", tags=["zero-shot"], route_class=StrictRoute)
ERRORS = errors(400, 404, 413, 415, 422, 429, 503)
MOST_PROMPTS = 10_000

TEMPLATES: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "plain": ("{}",),
        "photo": ("a photo of a {}.", "a picture of a {}.", "{}"),
        "sound": ("the sound of {}.", "a recording of {}.", "{}"),
        "depth": ("a depth map of a {}.", "a photo of a {}.", "{}"),
        "thermal": ("a thermal photo of a {}.", "an infrared picture of a {}.", "{}"),
        "movement": ("a person {}.", "{}"),
    }
)


class ClassifyRequest(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"input": "a bark in the night", "labels": ["dog", "cat", "rain"]}]},
    )

    model: str | None = None
    input: Annotated[Any, INPUTS]
    labels: list[Annotated[str, Field(min_length=1)]] = Field(min_length=1)
    templates: list[str] | str = Field(
        default="plain", description=f"prompts with {{}} for the label, or one of {', '.join(TEMPLATES)}"
    )
    top_k: int = Field(default=5, ge=1)


class Label(BaseModel):
    """`probability` among the labels given, at the model's temperature; `score` is the cosine."""

    label: str
    probability: float
    score: float


class Classified(BaseModel):
    index: int
    modality: str
    labels: list[Label]
    notes: list[str]


class ClassifyAnswer(BaseModel):
    data: list[Classified]
    model: str


class SimilarityRequest(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"a": ["a dog"], "b": ["a puppy", "a car"]}]}
    )

    model: str | None = None
    a: Annotated[Any, INPUTS]
    b: Annotated[Any, INPUTS]


class SimilarityAnswer(BaseModel):
    """`scores[i][j]`: cosine of `a[i]` and `b[j]`."""

    scores: list[list[float]]
    model: str


def templates_of(given: Sequence[str] | str) -> Sequence[str]:
    """Prompts with a place for the label. Raises LocatedError."""
    templates = TEMPLATES.get(given, ()) if isinstance(given, str) else given
    if not templates:
        known = ", ".join(TEMPLATES)
        raise LocatedError(
            ParameterError(f"`templates` is a list of prompts, or one of {known}"), "templates"
        )
    for i, template in enumerate(templates):
        if "{}" not in template:
            message = f"the template {template!r} has no {{}} where the label goes"
            raise LocatedError(ParameterError(message), f"templates[{i}]")
    return templates


async def label_vectors(
    vectorizer: Vectorizer, labels: Sequence[str], templates: Sequence[str], size: int
) -> Vector:
    """(labels, dim): for each label the unit mean of its prompts' unit vectors."""
    count = len(labels) * len(templates)
    if count > MOST_PROMPTS:
        message = f"{count} prompts (labels times templates); at most {MOST_PROMPTS} are allowed"
        raise LocatedError(TooLargeError(message), "labels")
    prompts = [
        Part(Text(template.replace("{}", label)), f"labels[{i}]")
        for i, label in enumerate(labels)
        for template in templates
    ]
    chunks = [await vectorizer.embed_all(prompts[start : start + size]) for start in range(0, count, size)]
    vectors = np.stack([one.vector for chunk in chunks for one in chunk]).astype(np.float64)
    means = vectors.reshape(len(labels), len(templates), -1).mean(axis=1)
    return np.stack([unit(mean) for mean in means]).astype(np.float32)


def ranked(
    one: Embedded, labels: Vector, body: ClassifyRequest, temperature: Mapping[str, float]
) -> list[dict[str, Any]]:
    """The best labels; probabilities are over all of them."""
    scores = labels @ one.vector
    scaled = scores * temperature.get(TOWER_OF.get(one.modality, one.modality), 1.0)
    weights = np.exp((scaled - scaled.max()).astype(np.float64))
    probabilities = weights / weights.sum()
    order = np.argsort(-scores, kind="stable")[: body.top_k]
    return [
        {"label": body.labels[i], "probability": float(probabilities[i]), "score": float(scores[i])}
        for i in order
    ]


@router.post("/classify", response_model=ClassifyAnswer, responses=ERRORS)
async def classify(body: ClassifyRequest, engine: ReadyEngine) -> Answer:
    """Which of the labels fits each input best."""
    model = engine.model(body.model)
    most, senses = engine.settings.max_batch_items, model.embedder.senses
    parts = await engine.in_reader(parse_inputs, body.input, "input", most, "text", senses)
    labels = await label_vectors(model.vectorizer, body.labels, templates_of(body.templates), most)
    embedded = await model.vectorizer.embed_all(parts)
    data = [
        {
            "index": i,
            "modality": one.modality,
            "labels": ranked(one, labels, body, model.embedder.temperature),
            "notes": one.notes,
        }
        for i, one in enumerate(embedded)
    ]
    return Answer({"data": data, "model": model.embedder.name})


@router.post("/similarity", response_model=SimilarityAnswer, responses=ERRORS)
async def similarity(body: SimilarityRequest, engine: ReadyEngine) -> Answer:
    """Cosines of every part of `a` with every part of `b`."""
    model = engine.model(body.model)
    most, senses = engine.settings.max_batch_items, model.embedder.senses
    a = await engine.in_reader(parse_inputs, body.a, "a", most, "text", senses)
    b = await engine.in_reader(parse_inputs, body.b, "b", most, "text", senses)
    embedded = await model.vectorizer.embed_all([*a, *b])
    vectors = np.stack([one.vector for one in embedded])
    scores = np.clip(vectors[: len(a)] @ vectors[len(a) :].T, -1, 1)
    return Answer({"scores": scores, "model": model.embedder.name})
