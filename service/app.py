"""The application: the only place where settings, model, store and routes meet."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from index import Store
from models.embedder import Embedder
from service import errors, gallery, openapi
from service.access import document, entry
from service.access.gate import Gate
from service.access.headers import SecurityHeaders
from service.body_limit import BodyLimit
from service.bulk.jobs import Jobs
from service.departures import Departures
from service.door import Door
from service.engine import Engine
from service.fetching.fetcher import Fetcher
from service.head_requests import HeadRequests
from service.quick_routes import QuickForm, QuickJSON, QuickRoutes
from service.request_context import RequestContext
from service.routes import (
    clip_retrieval,
    collections,
    docs,
    embed_doors,
    embeddings,
    health,
    items,
    label_sets,
    media,
    metrics,
    models,
    page,
    preview,
    search,
    weaviate,
    zero_shot,
)
from service.routes import jobs as job_routes
from service.routes import map as maps
from service.settings import Settings
from service.tracing import Tracing, tracing_from

if TYPE_CHECKING:
    from fastapi.telemetry import TelemetryConfig

DESCRIPTION = "Text, images, video, sound, depth, thermal pictures and movement in one searchable space."

ROUTERS = tuple(
    each.router
    for each in (
        embeddings,
        models,
        collections,
        search,
        maps,
        media,
        preview,
        items,
        zero_shot,
        label_sets,
        embed_doors,
        weaviate,
        clip_retrieval,
        job_routes,
        health,
        docs,
        metrics,
        page,
    )
)

# Traces and metrics are our own (service/tracing.py, service/metrics.py), and no request is told twice.
NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}

QUICK = (
    QuickJSON(embeddings.PATH, embeddings.EmbeddingsRequest, embeddings.embed),
    QuickForm(embeddings.UPLOADS, embeddings.embed_files),
    QuickJSON(search.PATH, search.SearchRequest, search.search_collection),
)


def create_app(  # noqa: PLR0913 - the parts of the house, each with a default
    settings: Settings | None = None,
    embedder: Embedder | Sequence[Embedder] | None = None,
    store: Store | None = None,
    on_failure: Callable[[], None] | None = None,
    tracing: Tracing | None = None,
    *,
    with_gallery: bool = False,
    fetcher: Fetcher | None = None,
) -> FastAPI:
    """The service; what is not handed in is loaded from the settings (by default SENSORIUM_*) when it starts.

    A store that is handed in stays the caller's to close. `on_failure` is called where loading fails.
    `tracing` takes the place of what the standard OTEL_* variables ask for; it is closed at the end.
    `with_gallery`: hang the gallery (service/gallery) once ready, where there is no collection yet.
    `fetcher` fetches addresses, in place of one made from the settings (service/fetching).
    """
    settings = settings or Settings()
    admission = entry.access_of(settings)
    traces = tracing or tracing_from(os.environ)
    engine = Engine(settings, embedder, store, on_failure, fetcher)
    jobs = Jobs(engine)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        entry.warn_if_open(settings)
        await engine.start()
        jobs.start()
        hanging = asyncio.create_task(gallery.hang(engine)) if with_gallery else None
        try:
            yield
        finally:
            if hanging is not None:
                hanging.cancel()
            await jobs.close()
            await engine.close()
            if traces is not None:
                traces.close()

    app = FastAPI(
        title="Sensorium",
        version=version("sensorium"),
        description=DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,
        strict_content_type=False,
        docs_url=None,
        redoc_url=None,
        telemetry=NO_TELEMETRY,
    )
    app.state.engine = engine
    app.state.jobs = jobs
    app.state.access = admission
    for router in ROUTERS:
        app.include_router(router)
    app.state.routes = [route for router in ROUTERS for route in router.routes]
    errors.install(app)
    openapi.install(app)
    document.install(app)
    # The last one added is the outermost.
    app.add_middleware(QuickRoutes, routes=QUICK)
    app.add_middleware(Departures)
    app.add_middleware(
        BodyLimit,
        limit=settings.max_body_bytes,
        pending=settings.max_pending_bytes,
        timeout_s=settings.body_timeout_s,
        metrics=engine.metrics,
    )
    app.add_middleware(Gate, access=admission, metrics=engine.metrics)
    app.add_middleware(HeadRequests)
    app.add_middleware(Door, requests=engine.serving.standing, metrics=engine.metrics)
    app.add_middleware(RequestContext, metrics=engine.metrics, tracing=traces)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["x-request-id", "retry-after", *entry.LIMIT_HEADERS],
        )
    app.add_middleware(SecurityHeaders, embeddable=bool(settings.cors_origins))
    return app
