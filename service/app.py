"""The application: the only place where settings, model, store and routes meet."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from index import Store
from models.embedder import Embedder
from service import errors, openapi
from service.body_limit import BodyLimit
from service.departures import Departures
from service.engine import Engine
from service.head_requests import HeadRequests
from service.request_context import RequestContext
from service.routes import (
    clip_retrieval,
    collections,
    embeddings,
    health,
    items,
    media,
    metrics,
    models,
    search,
    weaviate,
    zero_shot,
)
from service.routes import map as maps
from service.settings import Settings

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
        items,
        zero_shot,
        weaviate,
        clip_retrieval,
        health,
        metrics,
    )
)


def create_app(
    settings: Settings | None = None,
    embedder: Embedder | None = None,
    store: Store | None = None,
    on_failure: Callable[[], None] | None = None,
) -> FastAPI:
    """The service; what is not handed in is loaded from the settings (by default SENSORIUM_*) when it starts.

    A store that is handed in stays the caller's to close. `on_failure` is called where loading fails.
    """
    settings = settings or Settings()
    engine = Engine(settings, embedder, store, on_failure)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await engine.start()
        try:
            yield
        finally:
            await engine.close()

    app = FastAPI(
        title="Sensorium",
        version=version("sensorium"),
        description=DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,
        strict_content_type=False,
    )
    app.state.engine = engine
    for router in ROUTERS:
        app.include_router(router)
    app.state.routes = [route for router in ROUTERS for route in router.routes]
    errors.install(app)
    openapi.install(app)
    # The last one added is the outermost.
    app.add_middleware(Departures)
    app.add_middleware(BodyLimit, limit=settings.max_body_bytes)
    app.add_middleware(HeadRequests)
    app.add_middleware(RequestContext, metrics=engine.metrics)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["x-request-id", "retry-after"],
        )
    return app
