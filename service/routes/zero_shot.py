"""Zero-shot classification and similarity: comparisons without a collection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.embedder import TOWER_OF
from models.errors import SensoriumError
from service.answers import Answer
from service.batch import Vector
from service.dependencies import ReadyEngine
from service.engine import Engine
from service.errors import LocatedError
from service.labels import MOST_STORED_PROMPTS, Labels, LabelsField, TemplatesField, check_prompts
from service.openapi import INPUTS, errors
from service.parts import parse_inputs
from service.requests import StrictRoute
from service.vectorizer import Embedded

router = APIRouter(prefix="/v1", tags=["zero-shot"], route_class=StrictRoute)
ERRORS = errors(400, 404, 413, 415, 422, 429, 503)
PLAIN = "plain"


class ClassifyRequest(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"input": "a bark in the night", "labels": ["dog", "cat", "rain"]},
                {
                    "input": "a bark in the night",
                    "labels": ["dog", "cat"],
                    "templates": "imagebind",
                    "top_k": 1,
                },
            ]
        },
    )

    model: str | None = Field(default=None, description="one of the loaded models; left out, the default one")
    input: Annotated[Any, INPUTS]
    labels: LabelsField = Field(default=None, description="what the inputs may be called, each once")
    label_set: str | None = Field(default=None, description="name of a stored set, in place of `labels`")
    templates: TemplatesField = Field(
        default=None,
        description="prompts with {} for the label, or their name; by default those of the set, or none",
    )
    top_k: int = Field(default=5, ge=1)

    @model_validator(mode="after")
    def _one_of_two(self) -> ClassifyRequest:
        if (self.labels is None) == (self.label_set is None):
            raise ValueError("give either `labels` or `label_set`")
        return self


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


async def labels_of(engine: Engine, body: ClassifyRequest) -> Labels:
    """Those of the request, or of the set it names; templates of the request win. Raises LocatedError."""
    if body.label_set is None:
        labels = Labels(body.labels or (), body.templates or PLAIN)
        check_prompts(labels.labels, labels.templates)
        return labels
    try:
        stored = await engine.in_index(engine.label_sets.get, body.label_set)
    except SensoriumError as error:
        raise LocatedError(error, "label_set") from error
    templates = body.templates or stored.templates
    check_prompts(stored.labels, templates, MOST_STORED_PROMPTS)
    return Labels(stored.labels, templates, engine.label_sets.folder(stored.name))


def ranked(
    one: Embedded, vectors: Vector, labels: Sequence[str], top_k: int, temperature: Mapping[str, float]
) -> list[dict[str, Any]]:
    """The best labels; probabilities are over all of them."""
    scores = np.clip(vectors @ one.vector, -1, 1)
    scaled = scores * temperature.get(TOWER_OF.get(one.modality, one.modality), 1.0)
    weights = np.exp((scaled - scaled.max()).astype(np.float64))
    probabilities = weights / weights.sum()
    order = np.argsort(-scores, kind="stable")[:top_k]
    return [
        {"label": labels[i], "probability": float(probabilities[i]), "score": float(scores[i])} for i in order
    ]


@router.post("/classify", response_model=ClassifyAnswer, responses=ERRORS)
async def classify(body: ClassifyRequest, engine: ReadyEngine) -> Answer:
    """Which of the labels fits each input best."""
    model = engine.model(body.model)
    most, senses = engine.settings.max_batch_items, model.embedder.senses
    parts = await engine.in_reader(parse_inputs, body.input, "input", most, "text", senses)
    parts = list(await engine.fetched(parts))
    labels = await labels_of(engine, body)
    embedded = await model.vectorizer.embed_all(parts)
    found = [one.modality for one in embedded]
    vectors = await engine.label_vectors.by_modality(model, labels, found)
    temperature = model.embedder.temperature
    data = [
        {
            "index": i,
            "modality": one.modality,
            "labels": ranked(one, vectors[one.modality], labels.labels, body.top_k, temperature),
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
    embedded = await model.vectorizer.embed_all(await engine.fetched([*a, *b]))
    vectors = np.stack([one.vector for one in embedded])
    scores = np.clip(vectors[: len(a)] @ vectors[len(a) :].T, -1, 1)
    return Answer({"scores": scores, "model": model.embedder.name})
