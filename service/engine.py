"""What the routes stand on: the loaded model, the open store, the batcher, and whether they can serve."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from index import Store
from index.errors import StoreError
from models.embedder import Embedder
from models.errors import SensoriumError, UnknownModelError
from models.media.limits import DEFAULT_LIMITS, Limits
from models.modalities import MODALITIES, Modality
from models.registry import entry_of
from service.batcher import Batcher
from service.daemon import in_daemon_thread
from service.errors import NotReadyError, SettingError
from service.loading import load_model
from service.metrics import Gauges, Metrics
from service.settings import Settings
from service.vectorizer import Vectorizer

log = logging.getLogger(__name__)
T = TypeVar("T")

PREPARED_BATCHES = 2
READERS = 2


def limits_of(settings: Settings) -> Limits:
    """The decoders' limits under these settings."""
    return replace(
        DEFAULT_LIMITS,
        pixels=settings.max_pixels,
        frame_pixels=min(settings.max_pixels, DEFAULT_LIMITS.frame_pixels),
        audio_s=settings.max_audio_s,
        video_s=settings.max_video_s,
    )


def opened(folder: Path) -> Store:
    """The store in `folder`. Raises StoreError, SettingError."""
    try:
        return Store.open(folder)
    except OSError as error:
        message = f"the data folder {folder} (SENSORIUM_DATA_DIR) cannot be used: {error.strerror}"
        raise SettingError(message) from error


def warm_up(embedder: Embedder) -> None:
    """Send one tiny sample of each modality through, so that the first caller finds everything awake."""
    for name in embedder.modalities:
        embedder.embed(name, [embedder.senses[name].sample()])


class Engine:
    """`embedder` and `store` may be handed in; else they are loaded and opened from the settings.

    `on_failure` is called when loading has failed, after the reason was logged.
    """

    def __init__(
        self,
        settings: Settings,
        embedder: Embedder | None = None,
        store: Store | None = None,
        on_failure: Callable[[], None] | None = None,
    ) -> None:
        self.settings = settings
        self.failure: Exception | None = None
        self.metrics = Metrics()
        self._embedder = embedder
        self._store = store
        self._owns_store = store is None
        self._vectorizer: Vectorizer | None = None
        self._on_failure = on_failure
        self._loading: asyncio.Task[None] | None = None
        self._decoders = ThreadPoolExecutor(settings.decode_threads, thread_name_prefix="decode")
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="read")
        self._indexers = ThreadPoolExecutor(settings.index_threads, thread_name_prefix="index")
        self.metrics.watch("ready", "1 while requests can be served", (), self._readiness)
        self.metrics.watch("queued_inputs", "Accepted and unanswered inputs", ("modality",), self._queued)
        self.metrics.watch(
            "shelf_vectors", "Vectors of a collection", ("collection", "modality"), self._shelved
        )

    @property
    def embedder(self) -> Embedder:
        """The loaded model. Raises NotReadyError."""
        if self._embedder is None:
            raise NotReadyError(self.hindrance or "loading")
        return self._embedder

    @property
    def loaded(self) -> Embedder | None:
        """The model, None before it is loaded."""
        return self._embedder

    @property
    def senses(self) -> Mapping[str, Modality]:
        """The modalities there are: those of the loaded model, before it is loaded those of all models."""
        return MODALITIES if self._embedder is None else self._embedder.senses

    @property
    def store(self) -> Store:
        """The open store. Raises NotReadyError."""
        if self._store is None:
            raise NotReadyError(self.hindrance or "loading")
        return self._store

    @property
    def vectorizer(self) -> Vectorizer:
        """Parts -> vectors. Raises NotReadyError."""
        if self._vectorizer is None:
            raise NotReadyError(self.hindrance or "loading")
        return self._vectorizer

    @property
    def hindrance(self) -> str | None:
        """Why requests cannot be served now; None where they can."""
        if self.failure is not None:
            return (
                f"{self.settings.model} could not be loaded: {getattr(self.failure, 'message', self.failure)}"
            )
        if self._vectorizer is None:
            return f"{self.settings.model} is still loading"
        if not self._vectorizer.batcher.alive:
            return "the encoders have stopped; the server has to be restarted"
        return None

    def check_ready(self) -> None:
        """Raise NotReadyError with the reason where requests cannot be served now."""
        if self.hindrance is not None:
            raise NotReadyError(self.hindrance)

    def check_model(self, name: str | None) -> None:
        """Raise UnknownModelError unless `name` is the loaded model (or left out)."""
        if name is not None and name != self.embedder.name:
            known = "known but not loaded" if entry_of(name) else "not known"
            raise UnknownModelError(
                f"model {name!r} is {known}; this server has {self.embedder.name!r} loaded"
            )

    def _readiness(self) -> Gauges:
        return {(): float(self.hindrance is None)}

    def _queued(self) -> Gauges:
        if self._vectorizer is None:
            return {}
        return {(modality,): count for modality, count in self._vectorizer.batcher.admitted.items()}

    def _shelved(self) -> Gauges:
        if self._store is None:
            return {}
        return {
            (each.name, modality): shelf.vectors
            for each in self._store.list()
            for modality, shelf in each.info().shelves.items()
        }

    async def in_index(self, call: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run a call of the store in one of its threads."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._indexers, lambda: call(*args, **kwargs))

    async def in_reader(self, call: Callable[..., T], *args: Any) -> T:
        """Run the reading of a body, which may be megabytes of base64, in a thread of its own kind.

        Those that decode may all be busy, and a full queue is to be told at once.
        """
        return await asyncio.get_running_loop().run_in_executor(self._readers, call, *args)

    async def start(self) -> None:
        """Begin to load and return at once, so that health can be asked for meanwhile."""
        if self._embedder is not None and self._store is not None:
            self._begin(self._embedder)
        else:
            self._loading = asyncio.create_task(self._load(), name="load")

    async def close(self) -> None:
        """Stop the encoders, then close the store, so that no accepted write is cut off."""
        if self._loading is not None:
            self._loading.cancel()
            await asyncio.wait({self._loading})
        if self._vectorizer is not None:
            await self._vectorizer.batcher.close()
        self._readers.shutdown(cancel_futures=True)
        self._decoders.shutdown(cancel_futures=True)
        self._indexers.shutdown()
        if self._owns_store and self._store is not None:
            self._store.close()

    async def _load(self) -> None:
        try:
            self._store = self._store or await asyncio.to_thread(opened, self.settings.data_dir)
            if self._embedder is None:
                self._embedder = await in_daemon_thread(self._load_model)
            self._begin(self._embedder)
        except Exception as error:
            self.failure = error
            known = isinstance(error, SensoriumError | StoreError)
            log.critical("loading failed: %s", error, exc_info=None if known else error)
            if self._on_failure is not None:
                self._on_failure()

    def _load_model(self) -> Embedder:
        embedder = load_model(self.settings)
        warm_up(embedder)
        return embedder

    def _begin(self, embedder: Embedder) -> None:
        batcher = Batcher(
            lambda modality, views, normalize: embedder.encode(modality, views, normalize=normalize),
            queue_limit=self.settings.queue_limit,
            batch_views=self.settings.batch_views,
            metrics=self.metrics,
        )
        batcher.start()
        in_flight = PREPARED_BATCHES * self.settings.batch_views
        limits = limits_of(self.settings)
        self._vectorizer = Vectorizer(embedder, batcher, self._decoders, limits, in_flight)
        extra = {"model": embedder.name, "modalities": list(embedder.modalities), "licence": embedder.licence}
        log.info("ready", extra=extra)
