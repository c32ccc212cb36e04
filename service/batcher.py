"""A batcher without a clock: while one batch is in the encoder, the next one fills.

One thread encodes; one task feeds it. Whatever happens to either, every caller gets an answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from models.embedder import Views
from service.errors import NotReadyError, OverloadedError
from service.metrics import Metrics

log = logging.getLogger(__name__)

Vector: TypeAlias = npt.NDArray[np.float32]
Encode: TypeAlias = Callable[[str, Sequence[Views], bool], Vector]
Queue: TypeAlias = tuple[str, bool]


@dataclass(frozen=True, eq=False)
class Job:
    """One prepared item, the future that its caller waits for, and since when [s]."""

    views: Views
    future: asyncio.Future[Vector]
    since: float = field(default_factory=perf_counter)


def deliver(job: Job, vector: Vector) -> None:
    if not job.future.done():
        job.future.set_result(vector)


def fail(job: Job, error: Exception) -> None:
    if not job.future.done():
        job.future.set_exception(error)


class Batcher:
    """`encode(modality, views, normalize)` gives (n, dim); items of one modality go through it together.

    `queue_limit`: most admitted items per modality. `batch_views`: most views in one call of `encode`
    (an item with more goes alone).
    """

    def __init__(
        self, encode: Encode, *, queue_limit: int, batch_views: int, metrics: Metrics | None = None
    ) -> None:
        self.encode = encode
        self.metrics = metrics or Metrics()
        self.queue_limit = queue_limit
        self.batch_views = batch_views
        self.admitted: Counter[str] = Counter()
        self._queues: OrderedDict[Queue, deque[Job]] = OrderedDict()
        self._running: list[Job] = []
        self._filled = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="encoder")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to encode; to be called in the event loop that will submit."""
        self._task = asyncio.create_task(self._work(), name="batcher")
        self._task.add_done_callback(self._settle_everything)

    @property
    def alive(self) -> bool:
        return self._task is not None and not self._task.done()

    @contextmanager
    def admission(self, items: Mapping[str, int]) -> Iterator[None]:
        """Room for `items` (modality -> count) while inside. Raises OverloadedError where there is none."""
        for modality, count in items.items():
            waiting = self.admitted[modality]
            if waiting and waiting + count > self.queue_limit:
                raise OverloadedError(
                    f"{waiting} {modality} inputs wait, at most {self.queue_limit} may; try again soon"
                )
        self.admitted.update(items)
        try:
            yield
        finally:
            self.admitted.subtract(items)

    async def submit(self, modality: str, views: Views, *, normalize: bool = True) -> Vector:
        """The vector (dim,) of one prepared item. Raises what the encoder raises, or NotReadyError."""
        if not self.alive:
            raise NotReadyError("the encoders have stopped; the server has to be restarted")
        job = Job(views, asyncio.get_running_loop().create_future())
        self._queues.setdefault((modality, normalize), deque()).append(job)
        self._filled.set()
        return await job.future

    async def close(self) -> None:
        """Stop; whoever still waits gets NotReadyError."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        self._thread.shutdown(wait=True)

    async def _work(self) -> None:
        while True:
            await self._filled.wait()
            while self._queues:
                await self._serve_next_queue()
            self._filled.clear()

    async def _serve_next_queue(self) -> None:
        """One batch of the queue that has waited longest, which then goes to the end of the line."""
        key, queue = self._queues.popitem(last=False)
        self._running = self._take(queue)
        for job in self._running:
            self.metrics.waited(key[0], perf_counter() - job.since)
        if queue:
            self._queues[key] = queue
        if self._running:
            await self._encode_batch(key)
        self._running = []

    def _take(self, queue: deque[Job]) -> list[Job]:
        """Jobs whose callers still wait, up to `batch_views` views but at least one."""
        batch: list[Job] = []
        room = self.batch_views
        while queue and (not batch or len(queue[0].views.tensor) <= room):
            job = queue.popleft()
            if not job.future.done():
                batch.append(job)
                room -= len(job.views.tensor)
        return batch

    async def _encode_batch(self, key: Queue) -> None:
        try:
            rows = await self._call(key, self._running)
        except Exception:
            log.exception("a batch failed; its items are tried one by one", extra={"queue": key[0]})
            await self._encode_one_by_one(key)
            return
        for job, row in zip(self._running, rows, strict=True):
            deliver(job, row)

    async def _encode_one_by_one(self, key: Queue) -> None:
        for job in self._running:
            try:
                rows = await self._call(key, [job])
            except Exception as error:  # noqa: BLE001 - it is the caller's, whatever it is
                fail(job, error)
            else:
                deliver(job, rows[0])

    async def _call(self, key: Queue, jobs: Sequence[Job]) -> Vector:
        modality, normalize = key
        views = [job.views for job in jobs]
        loop = asyncio.get_running_loop()
        with self.metrics.encoding(modality, sum(len(each.tensor) for each in views)):
            rows = await loop.run_in_executor(self._thread, self.encode, modality, views, normalize)
        if len(rows) != len(jobs) or not np.isfinite(rows).all():
            raise RuntimeError(f"the {modality} encoder gave {rows.shape} or numbers that are not finite")
        return rows

    def _settle_everything(self, task: asyncio.Task[None]) -> None:
        """The task has ended, by whatever cause: nobody may be left waiting."""
        if not task.cancelled():
            log.error("the batcher has died", exc_info=task.exception())
        jobs = [*self._running, *(job for queue in self._queues.values() for job in queue)]
        self._queues.clear()
        for job in jobs:
            fail(job, NotReadyError("the encoders have stopped; the server has to be restarted"))
