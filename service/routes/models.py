"""The models that the registry knows, and which of them is loaded."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel

from models.embedder import Embedder
from models.errors import UnknownModelError
from models.registry import REGISTRY
from service.answers import Answer
from service.dependencies import AnyEngine
from service.engine import Engine
from service.openapi import errors

router = APIRouter(prefix="/v1/models", tags=["models"])
CREATED = 1_767_225_600  # OpenAI's object wants a time; ours is that of the first release, 2026-01-01


def model_object(name: str) -> dict[str, Any]:
    return {
        "id": name,
        "object": "model",
        "created": CREATED,
        "owned_by": "sensorium",
        "loaded": False,
        "identity": None,
        "bound": {},
    }


def loaded(embedder: Embedder) -> dict[str, Any]:
    facts = {
        "modalities": embedder.modalities,
        "dimension": embedder.dim,
        "licence": embedder.licence,
        "loaded": True,
        "identity": embedder.identity,
        "bound": embedder.bound,
    }
    if embedder.name in REGISTRY:
        return facts
    return {**model_object(embedder.name), "description": None, "size_bytes": None, **facts}


class Model(BaseModel):
    """OpenAI's model object, and what tells embedding models apart.

    `bound`: senses that were bound to the model, each with the identity of its own tower.
    """

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    modalities: list[str]
    dimension: int | None
    licence: str
    loaded: bool
    identity: str | None
    bound: dict[str, str]
    description: str | None
    size_bytes: int | None


class ModelList(BaseModel):
    object: Literal["list"]
    data: list[Model]


def registered(name: str) -> dict[str, Any]:
    entry = REGISTRY[name]
    return {
        **model_object(name),
        "modalities": entry.modalities,
        "dimension": entry.dimension,
        "licence": entry.licence,
        "description": entry.description,
        "size_bytes": entry.size_bytes,
    }


def known_models(engine: Engine) -> dict[str, dict[str, Any]]:
    """The registry's entries by name, the loaded ones among them or added."""
    known = {name: registered(name) for name in REGISTRY}
    for name, embedder in engine.serving.embedders.items():
        known[name] = {**known.get(name, {}), **loaded(embedder)}
    return known


@router.get("", response_model=ModelList, responses=errors())
async def list_models(engine: AnyEngine) -> Answer:
    """Every known model, loaded or not."""
    return Answer({"object": "list", "data": list(known_models(engine).values())})


@router.get("/{model:path}", response_model=Model, responses=errors(404))
async def read_model(model: str, engine: AnyEngine) -> Answer:
    """One model."""
    known = known_models(engine)
    if model not in known:
        raise UnknownModelError(f"model {model!r} is not known; there are {', '.join(known)}")
    return Answer(known[model])
