"""Whether the process lives, and whether it can serve."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from service.answers import Answer
from service.dependencies import AnyEngine
from service.openapi import errors

router = APIRouter(tags=["health"])


class Alive(BaseModel):
    status: Literal["ok"]


class Ready(BaseModel):
    status: Literal["ready"]
    model: str
    modalities: list[str]


@router.get("/healthz", response_model=Alive, responses=errors())
async def healthz() -> Answer:
    """200 while the process lives."""
    return Answer({"status": "ok"})


@router.get("/readyz", response_model=Ready, responses=errors(503))
async def readyz(engine: AnyEngine) -> Answer:
    """200 while requests can be served, else 503 with the reason."""
    engine.check_ready()
    embedder = engine.embedder
    return Answer({"status": "ready", "model": embedder.name, "modalities": embedder.modalities})
