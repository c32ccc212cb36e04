"""What the routes stand on: the loaded model, the open store, the batcher, and whether they can serve."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from index import Collection, Store
from index.errors import Closed, Damaged, StoreError
from models.embedder import Embedder
from models.errors import SensoriumError
from models.media.limits import DEFAULT_LIMITS, Limits
from models.modalities import Modality
from models.segments import Cutting
from service.body_limit import SMALL
from service.daemon import in_daemon_thread
from service.decoders import Decoders
from service.errors import NotReadyError, SettingError
from service.fetching.fetched import fetched_parts
from service.fetching.fetcher import Fetcher
from service.fetching.policy import Policy
from service.label_sets import LabelSets
from service.labels import LabelVectors
from service.loading import load_model
from service.metrics import Gauges, Metrics
from service.parts import Part
from service.serving import Served, Serving, reason_of
from service.settings import Settings
from service.tracing import span
from service.vectorizer import Vectorizer

log = logging.getLogger(__name__)
T = TypeVar("T")

READERS = 2
PAINTERS = 2


def limits_of(settings: Settings) -> Limits:
    """The decoders' limits under these settings."""
    return replace(
        DEFAULT_LIMITS,
        pixels=settings.max_pixels,
        frame_pixels=min(settings.max_pixels, DEFAULT_LIMITS.frame_pixels),
        audio_s=settings.max_audio_s,
        video_s=settings.max_video_s,
    )


def cutting_of(settings: Settings, embedder: Embedder) -> Cutting:
    """How recordings are cut for this model under these settings."""
    return Cutting(settings.segment_s, settings.max_segments or embedder.most_segments)


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
    """`embedder` (or several) and `store` may be handed in; else they come from the settings.

    `on_failure` is called, after the reason was logged, where nothing can be loaded or the store not opened.
    """

    def __init__(
        self,
        settings: Settings,
        embedder: Embedder | Sequence[Embedder] | None = None,
        store: Store | None = None,
        on_failure: Callable[[], None] | None = None,
        fetcher: Fetcher | None = None,
    ) -> None:
        self.settings = settings
        self.fetcher = fetcher or Fetcher(Policy.of(settings))
        self.failure: Exception | None = None
        self.metrics = Metrics()
        given = [embedder] if isinstance(embedder, Embedder) else embedder or []
        self.label_sets = LabelSets(settings.data_dir)
        self.label_vectors = LabelVectors()
        self.serving = Serving(settings, self.metrics, given)
        self._store = store
        self._owns_store = store is None
        self._on_failure = on_failure
        self._loading: asyncio.Task[None] | None = None
        self._decoders = Decoders(settings.decode_threads)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="read")
        # Of their own: a page full of pictures must not stand in the way of requests.
        self.painters = ThreadPoolExecutor(PAINTERS, thread_name_prefix="preview")
        self._indexers = ThreadPoolExecutor(settings.index_threads, thread_name_prefix="index")
        self.metrics.watch("ready", "1 while requests can be served", (), self._readiness)
        self.metrics.watch("queued_inputs", "Accepted and unanswered inputs", ("modality",), self._queued)
        self.metrics.watch(
            "shelf_vectors", "Vectors of a collection", ("collection", "modality"), self._shelved
        )
        self.metrics.watch("damaged_collections", "Collections that are refused", (), self._damaged)
        self.metrics.watch(
            "model_loaded", "1 for each model that serves", ("model", "identity"), self._models
        )

    @property
    def embedder(self) -> Embedder:
        """The default model. Raises NotReadyError."""
        found = self.serving.embedders.get(self.serving.default)
        if found is None:
            raise NotReadyError(self.hindrance or "loading")
        return found

    @property
    def senses(self) -> Mapping[str, Modality]:
        """The modalities there are: those of the loaded models, before one is loaded those of all models."""
        return self.serving.senses

    @property
    def store(self) -> Store:
        """The open store. Raises NotReadyError."""
        if self._store is None:
            raise NotReadyError(self.hindrance or "loading")
        return self._store

    @property
    def vectorizer(self) -> Vectorizer:
        """Parts -> vectors of the default model. Raises NotReadyError."""
        return self.serving.get().vectorizer

    @property
    def hindrance(self) -> str | None:
        """Why the server is not ready; None where the default model serves and none is still loading."""
        if self.failure is not None:
            return f"{self.serving.default} could not be loaded: {reason_of(self.failure)}"
        loading = [self.serving.default] if self._store is None else self.serving.waiting
        if loading:
            return f"{loading[0]} is still loading"
        default = self.serving.default
        return self.serving.hindrance(default) or self.serving.illness(default)

    def check_ready(self) -> None:
        """Raise NotReadyError with the reason where the server is not ready."""
        if self.hindrance is not None:
            raise NotReadyError(self.hindrance)

    def check_serving(self) -> None:
        """Raise NotReadyError with the reason where not a single model serves, or the store is not open."""
        if self._store is None or not self.serving.all:
            raise NotReadyError(self.hindrance or "loading")

    def model(self, name: str | None = None) -> Served:
        """The model of this name, left out: the default one. Raises UnknownModelError, NotReadyError."""
        return self.serving.get(name)

    def collection(self, name: str) -> Collection:
        """A collection of one of the models that are loaded. Raises index errors, NotReadyError."""
        identity = self.serving.identity_for(self.store.get(name))
        return self.store.get(name, identity)

    def model_of(self, collection: Collection) -> Served:
        """The model that the collection belongs to. Raises NotReadyError."""
        return self.serving.of(collection)

    def _readiness(self) -> Gauges:
        return {(): float(self.hindrance is None)}

    def _queued(self) -> Gauges:
        admitted = self.serving.admitted
        return {(modality,): admitted[modality] for modality in self.senses}

    def _shelved(self) -> Gauges:
        if self._store is None:
            return {}
        found: dict[tuple[str, ...], float] = {}
        for each in self._store.list():
            with suppress(Damaged, Closed):  # damaged or dropped since
                found |= {(each.name, name): shelf.vectors for name, shelf in each.info().shelves.items()}
        return found

    def _damaged(self) -> Gauges:
        return {} if self._store is None else {(): float(len(self._store.damaged()))}

    def _models(self) -> Gauges:
        return {(each.embedder.name, each.embedder.identity): 1.0 for each in self.serving.all}

    async def in_index(self, call: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run a call of the store in one of its threads."""
        loop = asyncio.get_running_loop()
        with span("index", call=getattr(call, "__name__", "call")):
            return await loop.run_in_executor(self._indexers, lambda: call(*args, **kwargs))

    async def in_reader(self, call: Callable[..., T], *args: Any) -> T:
        """Run the reading of a body, which may be megabytes of base64, in a thread of its own kind.

        Those that decode may all be busy, and a full queue is to be told at once. A small one is read here.
        """
        if SMALL.get():
            return call(*args)
        return await asyncio.get_running_loop().run_in_executor(self._readers, call, *args)

    async def fetched(self, parts: Sequence[Part]) -> Sequence[Part]:
        """The parts with the files that lie behind addresses. Raises LocatedError, OverloadedError."""
        return await fetched_parts(parts, self.fetcher)

    async def start(self) -> None:
        """Begin to load and return at once, so that health can be asked for meanwhile."""
        for embedder in list(self.serving.embedders.values()):
            self._begin(embedder)
        if self.serving.waiting or self._store is None:
            self._loading = asyncio.create_task(self._load(), name="load")

    async def close(self) -> None:
        """Stop the encoders, then close the store, so that no accepted write is cut off."""
        if self._loading is not None:
            self._loading.cancel()
            await asyncio.wait({self._loading})
        await self.serving.close()
        await self.fetcher.close()
        self._readers.shutdown(wait=False, cancel_futures=True)
        self.painters.shutdown(wait=False, cancel_futures=True)
        self._decoders.shutdown()
        self._indexers.shutdown()
        if self._owns_store and self._store is not None:
            self._store.close()

    async def _load(self) -> None:
        try:
            self._store = self._store or await asyncio.to_thread(opened, self.settings.data_dir)
        except Exception as error:
            known = isinstance(error, SensoriumError | StoreError)
            log.critical("loading failed: %s", error, exc_info=None if known else error)
            self._give_up(error)
            return
        for name in self.serving.waiting:
            await self._load_one(name)
        if not self.serving.all:
            self._give_up(self.serving.failures[self.serving.default])
        # The million objects of the libraries stay for good: to look through them takes a tenth of a second.
        gc.collect()
        gc.freeze()

    async def _load_one(self, name: str) -> None:
        """One that cannot be loaded leaves the others alone."""

        def load() -> Embedder:
            embedder = load_model(self.settings, name)
            warm_up(embedder)
            return embedder

        try:
            self._begin(await in_daemon_thread(load))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told when that model is asked for
            self.serving.fail(name, error)

    def _begin(self, embedder: Embedder) -> None:
        self.serving.begin(embedder, self._decoders, limits_of(self.settings))

    def _give_up(self, error: Exception) -> None:
        self.failure = error
        if self._on_failure is not None:
            self._on_failure()
