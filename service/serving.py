"""The models of one process: those that serve, that still load, that could not be loaded and why."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial

from index import Collection
from models.embedder import Embedder, Views
from models.errors import SensoriumError, UnknownModelError
from models.machine import compute_threads, encode_lanes, use_threads
from models.media.limits import Limits
from models.modalities import MODALITIES, Modality
from models.registry import entry_of
from service.admission import standing
from service.attempts import Encode
from service.batch import Vector
from service.batcher import Batcher
from service.decoders import Decoders
from service.errors import NotReadyError
from service.fair_semaphore import FairSemaphore
from service.metrics import Metrics
from service.settings import Settings
from service.vectorizer import Vectorizer

log = logging.getLogger(__name__)

PREPARED_BATCHES = 2


@dataclass(frozen=True, eq=False)
class Served:
    """A loaded model and the queues before its encoders."""

    embedder: Embedder
    vectorizer: Vectorizer


def encode_of(embedder: Embedder) -> Encode:
    def encode(modality: str, views: Sequence[Views], normalize: bool) -> Vector:  # noqa: FBT001 - Encode
        return embedder.encode(modality, views, normalize=normalize)

    return encode


@contextmanager
def in_turn(own: AbstractContextManager[object], of_all: AbstractContextManager[object]) -> Iterator[None]:
    """When there is a place among the model's own lanes and among all, which share the processors."""
    with own, of_all:
        yield


def reason_of(error: Exception) -> str:
    return str(getattr(error, "message", error))


class Serving:
    """`names` are the models of the settings, or of those handed in; the first one is the default."""

    def __init__(self, settings: Settings, metrics: Metrics, given: Sequence[Embedder] = ()) -> None:
        self.settings = settings
        self.metrics = metrics
        self.names = tuple(embedder.name for embedder in given) or settings.served_models
        self.embedders: dict[str, Embedder] = {embedder.name: embedder for embedder in given}
        self.failures: dict[str, Exception] = {}
        self._served: dict[str, Served] = {}
        self.threads = settings.threads or compute_threads()
        self.lanes = settings.encode_lanes or encode_lanes(settings.device, self.threads)
        self._turn = FairSemaphore(self.lanes)

    @property
    def standing(self) -> int:
        """Inputs of one view that may stand in line while an overload lasts."""
        return standing(self.settings.batch_views, self.lanes)

    @property
    def default(self) -> str:
        return self.names[0]

    @property
    def waiting(self) -> list[str]:
        """The names of those that are still to be loaded."""
        return [name for name in self.names if name not in self.embedders and name not in self.failures]

    @property
    def all(self) -> list[Served]:
        """Those that serve, the default first."""
        return [self._served[name] for name in self.names if name in self._served]

    @property
    def senses(self) -> Mapping[str, Modality]:
        """The modalities of all loaded models; before one is loaded those of all models there are."""
        loaded = [self.embedders[name].senses for name in self.names if name in self.embedders]
        return {name: sense for senses in loaded for name, sense in senses.items()} or MODALITIES

    @property
    def admitted(self) -> Counter[str]:
        """Accepted and unanswered inputs by modality."""
        return sum((each.vectorizer.batcher.admitted for each in self.all), Counter[str]())

    def begin(self, embedder: Embedder, decoders: Decoders, limits: Limits) -> None:
        """Let a loaded model serve; to be called in the event loop."""
        self.metrics.expect(embedder.senses)
        # torch.compile works on one call at a time.
        lanes = 1 if embedder.compiled else self.lanes
        batcher = Batcher(
            encode_of(embedder),
            queue_limit=self.settings.queue_limit,
            batch_views=self.settings.batch_views,
            metrics=self.metrics,
            probe=lambda modality: embedder.prepare(modality, embedder.senses[modality].sample()),
            max_wait_s=self.settings.max_wait_s,
            decode_threads=self.settings.decode_threads,
            lanes=lanes,
            turn=partial(in_turn, FairSemaphore(lanes), self._turn),
            divide=lambda among: use_threads(max(1, self.threads // among)),
        )
        batcher.start()
        in_flight = PREPARED_BATCHES * self.settings.batch_views
        decode_in_lanes = self.settings.device == "cpu" and self.lanes >= self.threads
        vectorizer = Vectorizer(
            embedder, batcher, decoders, limits, in_flight, decode_in_lanes=decode_in_lanes
        )
        self.embedders[embedder.name] = embedder
        self._served[embedder.name] = Served(embedder, vectorizer)
        extra = {"model": embedder.name, "modalities": list(embedder.modalities), "licence": embedder.licence}
        log.info("ready", extra=extra)

    def fail(self, name: str, error: Exception) -> None:
        """Write down why a model cannot serve."""
        self.failures[name] = error
        known = isinstance(error, SensoriumError)
        log.critical("%s could not be loaded: %s", name, error, exc_info=None if known else error)

    async def close(self) -> None:
        for each in self._served.values():
            await each.vectorizer.batcher.close()

    def hindrance(self, name: str) -> str | None:
        """Why this model cannot serve now; None where it can."""
        if name in self.failures:
            return f"{name} could not be loaded: {reason_of(self.failures[name])}"
        if name not in self._served:
            return f"{name} is still loading"
        if not self._served[name].vectorizer.batcher.alive:
            return "the encoders have stopped; the server has to be restarted"
        return None

    def illness(self, name: str) -> str | None:
        """Which of this model's encoders fail with everything; None where all work, or none is there yet."""
        return self._served[name].vectorizer.batcher.illness if name in self._served else None

    def get(self, name: str | None = None) -> Served:
        """The model of this name, left out: the default one. Raises UnknownModelError, NotReadyError."""
        wanted = self.default if name is None else name
        if wanted not in self.names or (name is not None and wanted in self.failures):
            raise self._unknown(wanted)
        hindrance = self.hindrance(wanted)
        if hindrance is not None:
            raise NotReadyError(hindrance)
        return self._served[wanted]

    def _unknown(self, name: str) -> UnknownModelError:
        if name in self.failures:
            known = f"could not be loaded ({reason_of(self.failures[name])})"
        else:
            known = "is known but not loaded" if entry_of(name) else "is not known"
        there = ", ".join(repr(each.embedder.name) for each in self.all) or "none"
        return UnknownModelError(f"model {name!r} {known}; this server has {there} loaded")

    def of(self, collection: Collection) -> Served:
        """The model that the collection belongs to; the default one where none of them is it.

        Raises NotReadyError.
        """
        for each in self.all:
            if each.embedder.identity == collection.identity:
                return self.get(each.embedder.name)
        return self.get()

    def identity_for(self, collection: Collection) -> str:
        """The identity to open the collection with: its own where that model serves. Raises NotReadyError."""
        loading = self.waiting
        if collection.model in loading:
            raise NotReadyError(f"{collection.model} is still loading")
        return self.of(collection).embedder.identity
