"""What Prometheus reads."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from service.dependencies import AnyEngine
from service.openapi import errors

router = APIRouter(tags=["health"])


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **errors()},
)
async def metrics(engine: AnyEngine) -> Response:
    """Counters, histograms and gauges of this process, in Prometheus' text format."""
    text = await asyncio.to_thread(engine.metrics.text)
    return Response(text, media_type=CONTENT_TYPE_LATEST)
