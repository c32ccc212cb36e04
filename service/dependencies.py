"""What FastAPI hands to the routes."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from service.engine import Engine


async def engine_of(request: Request) -> Engine:
    engine: Engine = request.app.state.engine
    return engine


async def ready_engine(request: Request) -> Engine:
    """Raises NotReadyError."""
    engine = await engine_of(request)
    engine.check_serving()
    return engine


AnyEngine = Annotated[Engine, Depends(engine_of)]
ReadyEngine = Annotated[Engine, Depends(ready_engine)]
