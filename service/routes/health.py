"""Whether the process lives, and whether it can serve."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from service.answers import Answer
from service.dependencies import AnyEngine
from service.openapi import errors
from service.serving import reason_of

router = APIRouter(tags=["health"])


class Alive(BaseModel):
    status: Literal["ok"]


class Ready(BaseModel):
    """`model` is the default one; degraded: others of the settings could not be loaded, `failed` says why."""

    status: Literal["ready", "degraded"]
    model: str
    modalities: list[str]
    models: list[str]
    failed: dict[str, str]


@router.get("/healthz", response_model=Alive, responses=errors())
async def healthz() -> Answer:
    """200 while the process lives."""
    return Answer({"status": "ok"})


@router.get("/readyz", response_model=Ready, responses=errors(503))
async def readyz(engine: AnyEngine) -> Answer:
    """200 while requests to the default model can be served, else 503 with the reason."""
    engine.check_ready()
    embedder = engine.embedder
    failed = {name: reason_of(error) for name, error in engine.serving.failures.items()}
    facts = {
        "status": "degraded" if failed else "ready",
        "model": embedder.name,
        "modalities": embedder.modalities,
        "models": [each.embedder.name for each in engine.serving.all],
        "failed": failed,
    }
    return Answer(facts)
