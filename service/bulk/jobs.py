"""Jobs of a server: one at a time, behind whoever waits for an answer, gone on with after a restart."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from index.errors import StoreError
from models.embedder import Embedder, Views
from models.errors import SensoriumError
from models.preparer import Preparer
from service.batcher import Batcher
from service.bulk.choosing import Plan
from service.bulk.job_book import CANCELLED, FAILED, QUEUED, RUNNING, SUCCEEDED, Job, JobBook
from service.bulk.lanes import Encoder
from service.bulk.local import counting
from service.bulk.pipeline import Ingest
from service.bulk.pool import DecodePool
from service.bulk.report import Report, error_object
from service.bulk.roots import confined
from service.bulk.sources import Wishes
from service.engine import Engine, cutting_of, limits_of
from service.errors import UNKNOWN_ERROR, NotReadyError, OverloadedError

log = logging.getLogger(__name__)

GIVES_WAY_S = 1.0  # longest wait of a batch for interactive requests, which never cease on a busy server
LOOKS_EVERY_S = 0.005
TRIES_AGAIN_S = 0.5
NOTED_EVERY_S = 1.0
IDLE_S = 60.0  # how long decoding processes wait for another job
ERRORS_TOLD = 100


def wishes_of(request: Mapping[str, Any]) -> Wishes:
    return Wishes(
        request["modality"],
        request["text"],
        request["prefix"],
        tuple(request["exclude"]),
        request["metadata"],
    )


def progress_of(report: Report) -> dict[str, Any]:
    """What is told of a job beside its status."""
    return {
        "done": report.done,
        "failed": report.failed,
        "total": report.expected,
        "rate": round(report.rate, 3),
        "stored": report.stored,
        "replaced": report.replaced,
        "unchanged": report.unchanged,
        "deleted": report.deleted,
        "passed_over": sum(report.passed.values()),
        "errors": [error_object(each) for each in report.faults[:ERRORS_TOLD]],
    }


class Jobs:
    """The jobs of one server; `start` and `close` belong to the life of its engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.book = JobBook(engine.settings.data_dir)
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._running: tuple[str, threading.Event] | None = None
        self._closing = False
        self._pool: tuple[str, DecodePool] | None = None

    def start(self) -> None:
        """Begin, with what was not finished when the server last ended; never without open folders."""
        if not self.engine.settings.ingest_roots:
            return
        for root in self.engine.settings.ingest_roots:
            if not root.is_dir():
                log.warning("%s (SENSORIUM_INGEST_ROOTS) is no folder; jobs find nothing there", root)
        self._wake.set()
        self._task = asyncio.create_task(self._work(), name="jobs")

    async def close(self) -> None:
        """Interrupt the running job, which goes on at the next start."""
        self._closing = True
        self._wake.set()
        if self._running is not None:
            self._running[1].set()
        if self._task is not None:
            await asyncio.wait({self._task})
        await asyncio.to_thread(self._drop_pool)
        self.book.close()

    async def add(self, request: Mapping[str, Any]) -> Job:
        """A new job, or the one that is at the same already."""
        job = await asyncio.to_thread(self.book.add, request)
        self._wake.set()
        return job

    async def cancel(self, identifier: str) -> None:
        """What is stored by then stays; a job that has ended stays as it is."""
        await asyncio.to_thread(self.book.update, identifier, CANCELLED)
        if self._running is not None and self._running[0] == identifier:
            self._running[1].set()

    async def _work(self) -> None:
        while not self._closing:
            try:
                await asyncio.wait_for(self._wake.wait(), IDLE_S)
            except TimeoutError:
                await asyncio.to_thread(self._drop_pool)
            self._wake.clear()
            while not self._closing and (waiting := await asyncio.to_thread(self.book.active)):
                await self._one(waiting[0])

    async def _one(self, job: Job) -> None:
        stop, report = threading.Event(), Report()
        self._running = job.id, stop
        if await asyncio.to_thread(self.book.update, job.id, RUNNING):
            over = asyncio.Event()
            noting = asyncio.create_task(self._note(job, report, over))
            status, error = await self._outcome(job, report, stop)
            over.set()
            await noting
            told = progress_of(report) | ({} if error is None else {"error": error})
            if self._closing and not report.finished:
                status = QUEUED
            await asyncio.to_thread(self.book.note, job.id, told)
            await asyncio.to_thread(self.book.update, job.id, status, told)
        self._running = None

    async def _outcome(self, job: Job, report: Report, stop: threading.Event) -> tuple[str, str | None]:
        """The status at the end, and what hindered the job as a whole."""
        try:
            await self._ready(stop)
            loop = asyncio.get_running_loop()
            await asyncio.to_thread(self._run, job, report, stop, loop)
        except (SensoriumError, StoreError) as error:
            return FAILED, error.message
        except OSError as error:
            return FAILED, f"a file or folder cannot be used: {error.strerror}"
        except Exception:
            log.exception("a job failed", extra={"job": job.id})
            return FAILED, UNKNOWN_ERROR
        if not report.finished:
            return QUEUED, None
        return (FAILED if report.failed and not report.done else SUCCEEDED), None

    async def _ready(self, stop: threading.Event) -> None:
        while self.engine.hindrance is not None and not stop.is_set():
            if self.engine.failure is not None:
                raise NotReadyError(self.engine.hindrance)
            await asyncio.sleep(TRIES_AGAIN_S)

    def _run(self, job: Job, report: Report, stop: threading.Event, loop: asyncio.AbstractEventLoop) -> None:
        """In a thread: the same pass as that of the command line, with the server's own encoders."""
        if stop.is_set():
            return
        request, settings = job.request, self.engine.settings
        source, wishes = confined(settings.ingest_roots, request["source"]), wishes_of(request)
        collection = self.engine.collection(request["collection"])
        served = self.engine.model_of(collection)
        batcher = served.vectorizer.batcher

        def encode(modality: str, views: Sequence[Views]) -> np.ndarray:
            rows = []
            for few in groups(views, settings.batch_views):
                waiting = asyncio.run_coroutine_threadsafe(encoded(batcher, modality, few, stop), loop)
                rows.append(waiting.result())
            return np.concatenate(rows)

        plan = Plan(source.label, source.folder, source.inside, request["replace"], request["prune"])
        with self._pooled(served.embedder) as pool, counting(source, wishes, report):
            Ingest(
                plan, served.embedder, Encoder(encode), collection, pool, report, stop, settings.batch_views
            ).run(source.found(wishes, served.embedder.senses))

    @contextlib.contextmanager
    def _pooled(self, embedder: Embedder) -> Iterator[DecodePool]:
        """Decoding processes for this model, those of the last job where they can be had."""
        if self._pool is None or self._pool[0] != embedder.identity:
            self._drop_pool()
            settings = self.engine.settings
            preparer = Preparer.of(embedder, limits_of(settings), cutting_of(settings, embedder))
            pool = DecodePool(preparer, settings.ingest_processes or None)
            self._pool = embedder.identity, pool
        pool = self._pool[1]
        try:
            yield pool
        finally:
            if not pool.idle:
                self._drop_pool()

    def _drop_pool(self) -> None:
        if self._pool is not None:
            self._pool[1].close()
            self._pool = None

    async def _note(self, job: Job, report: Report, over: asyncio.Event) -> None:
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), NOTED_EVERY_S)
            await asyncio.to_thread(self.book.note, job.id, progress_of(report))


def groups(items: Sequence[Views], most: int) -> Iterator[list[Views]]:
    """Items together as long as they have at most so many views, so that requests come between."""
    group: list[Views] = []
    for each in items:
        if group and sum(len(one.tensor) for one in (*group, each)) > most:
            yield group
            group = []
        group.append(each)
    if group:
        yield group


async def encoded(
    batcher: Batcher, modality: str, views: Sequence[Views], stop: threading.Event
) -> np.ndarray:
    """(n, dim), through the admission that requests go through, after those that wait already.

    Raises what the encoder raises; NotReadyError where it is ill and `stop` is set.
    """
    while True:
        await given_way(batcher)
        try:
            with batcher.admission({modality: len(views)}):
                rows = await asyncio.gather(*(batcher.submit(modality, each) for each in views))
                return np.stack(rows)
        except (OverloadedError, NotReadyError):
            if stop.is_set():
                raise
            await asyncio.sleep(TRIES_AGAIN_S)


async def given_way(batcher: Batcher) -> None:
    """Return when no request waits, or after GIVES_WAY_S."""
    waited = 0.0
    while waited < GIVES_WAY_S and sum(batcher.admitted.values()) > 0:
        await asyncio.sleep(LOOKS_EVERY_S)
        waited += LOOKS_EVERY_S
