"""A batcher without a clock: while one batch is in the encoder, the next one fills.

One thread encodes; one task feeds it. Whatever happens to either, every caller gets an answer. A batch that
fails is tried again item by item; where every item fails, so does perhaps the encoder, and a known-good
sample decides. An encoder that fails with that too is left alone, and asked with it again from time to time.
"""

from __future__ import annotations

import asyncio
import logging
import math
import traceback
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from time import perf_counter
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from models.embedder import Views
from service import tracing
from service.admission import Admission
from service.errors import NotReadyError
from service.metrics import Metrics
from service.pace import Pace

log = logging.getLogger(__name__)

Vector: TypeAlias = npt.NDArray[np.float32]
Encode: TypeAlias = Callable[[str, Sequence[Views], bool], Vector]
Probe: TypeAlias = Callable[[str], Views]
Queue: TypeAlias = tuple[str, bool]

STOPPED = "the encoders have stopped; the server has to be restarted"
# A task that dies is begun anew; one that dies this often within this time is left dead.
MOST_DEATHS = 3
DEATHS_WITHIN_S = 60.0
# Between two attempts with an encoder that fails; the pause doubles up to the longest.
FIRST_PROBE_S = 0.5
LONGEST_PROBE_S = 30.0


@dataclass(eq=False)
class Job:
    """One prepared item, the future that its caller waits for, since when, and when a batch took it [s]."""

    views: Views
    future: asyncio.Future[Vector]
    since: float = field(default_factory=perf_counter)
    taken: float = math.inf


def deliver(job: Job, vector: Vector) -> None:
    if not job.future.done():
        job.future.set_result(vector)


def fail(job: Job, error: Exception) -> None:
    if not job.future.done():
        job.future.set_exception(error)


def untied(error: BaseException) -> Exception:
    """The error, its traceback without the variables, which would hold the batch's memory."""
    traceback.clear_frames(error.__traceback__)
    return error if isinstance(error, Exception) else RuntimeError(f"{type(error).__name__}: {error}")


def out_of_memory(error: Exception) -> bool:
    """Whether memory ran out, that of the machine or that of the GPU (torch.OutOfMemoryError)."""
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"


def for_caller(error: Exception, modality: str) -> Exception:
    """What the caller of one item is told: of too little memory that it may be enough later."""
    if not out_of_memory(error):
        return error
    message = f"the {modality} encoder ran out of memory; send fewer or smaller inputs, or try again later"
    return NotReadyError(message)


class Batcher:
    """`encode(modality, views, normalize)` gives (n, dim); items of one modality go through it together.

    `queue_limit`: most admitted items per modality. `max_wait_s`: longest expected wait of what is admitted.
    `batch_views`: most views in one call of `encode` (an item with more goes alone). `probe(modality)` gives
    a known-good sample's views. `decode_threads`: how many items are decoded at the same time.
    """

    def __init__(  # noqa: PLR0913 - each with a name at its only call
        self,
        encode: Encode,
        *,
        queue_limit: int,
        batch_views: int,
        metrics: Metrics | None = None,
        probe: Probe | None = None,
        max_wait_s: float = math.inf,
        decode_threads: int = 1,
    ) -> None:
        self.encode = encode
        self.metrics = metrics or Metrics()
        self.batch_views = batch_views
        self.pace = Pace(batch_views, decode_threads)
        self.ailing: dict[str, Exception] = {}
        self._admission = Admission(self.pace, queue_limit, max_wait_s)
        self._probe = probe
        self._queues: OrderedDict[Queue, deque[Job]] = OrderedDict()
        self._running: list[Job] = []
        self._filled = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="encoder")
        self._task: asyncio.Task[None] | None = None
        self._recovery: asyncio.Task[None] | None = None
        self._closed = False
        self._deaths: deque[float] = deque(maxlen=MOST_DEATHS)

    def start(self) -> None:
        """Begin to encode; to be called in the event loop that will submit."""
        self._task = asyncio.create_task(self._work(), name="batcher")
        self._task.add_done_callback(self._ended)

    @property
    def alive(self) -> bool:
        return self._task is not None and not self._task.done()

    @property
    def admitted(self) -> Counter[str]:
        """Accepted and unanswered items by modality."""
        return self._admission.admitted

    @property
    def illness(self) -> str | None:
        """Which encoders fail with everything, None where all work."""
        if not self.ailing:
            return None
        reasons = (f"{name} ({type(error).__name__})" for name, error in self.ailing.items())
        return (
            f"encoders that fail with every input: {', '.join(reasons)}; they are tried again by themselves"
        )

    def admission(self, items: Mapping[str, int]) -> AbstractContextManager[None]:
        """Room for `items` (modality -> count) while inside. Raises OverloadedError where there is none."""
        return self._admission.room(items)

    async def submit(self, modality: str, views: Views, *, normalize: bool = True) -> Vector:
        """The vector (dim,) of one prepared item. Raises what the encoder raises, or NotReadyError."""
        if not self.alive:
            raise NotReadyError(STOPPED)
        if modality in self.ailing:
            raise self._refusal(modality)
        job = Job(views, asyncio.get_running_loop().create_future())
        self._queues.setdefault((modality, normalize), deque()).append(job)
        self._filled.set()
        vector = await job.future
        tracing.record("queue", job.since, job.taken, modality=modality)
        tracing.record("encode", job.taken, perf_counter(), modality=modality)
        return vector

    async def close(self) -> None:
        """Stop; whoever still waits gets NotReadyError. A batch in the encoder is not waited for."""
        self._closed = True
        tasks = {task for task in (self._task, self._recovery) if task is not None}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._thread.shutdown(wait=False, cancel_futures=True)

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
            job.taken = perf_counter()
            self.metrics.waited(key[0], job.taken - job.since)
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
        outcome = await self._attempt(key, [job.views for job in self._running])
        if isinstance(outcome, Exception):
            extra = {"modality": key[0], "error": type(outcome).__name__}
            log.error("a batch failed; its items are tried one by one", exc_info=outcome, extra=extra)
            await self._encode_one_by_one(key)
            return
        for job, row in zip(self._running, outcome, strict=True):
            deliver(job, row)

    async def _encode_one_by_one(self, key: Queue) -> None:
        failed = 0
        for job in self._running:
            outcome = await self._attempt(key, [job.views])
            if isinstance(outcome, Exception):
                failed += 1
                fail(job, for_caller(outcome, key[0]))
            else:
                deliver(job, outcome[0])
        if failed == len(self._running):
            await self._examine(key[0])

    async def _attempt(self, key: Queue, views: Sequence[Views]) -> Vector | Exception:
        """The rows, or the error as a value: while an `except` is open, the failed batch keeps its memory."""
        try:
            return await self._call(key, views)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - a panic of compiled code derives from no Exception
            return untied(error)

    async def _call(self, key: Queue, views: Sequence[Views]) -> Vector:
        modality, normalize = key
        count = sum(len(each.tensor) for each in views)
        loop = asyncio.get_running_loop()
        with (
            self.metrics.encoding(modality, len(views), count),
            self.pace.encoding(modality, len(views), count),
        ):
            rows = await loop.run_in_executor(self._thread, self.encode, modality, views, normalize)
        if len(rows) != len(views) or not np.isfinite(rows).all():
            raise RuntimeError(f"the {modality} encoder gave {rows.shape} or numbers that are not finite")
        return rows

    async def _examine(self, modality: str) -> None:
        """Every item of a batch has failed: a known-good sample tells whether the encoder is to blame."""
        error = await self._probed(modality)
        if error is None or self._closed:
            return
        log.critical("the %s encoder fails with a known-good sample", modality, exc_info=error)
        self.ailing[modality] = error
        for key in [key for key in self._queues if key[0] == modality]:
            for job in self._queues.pop(key):
                fail(job, self._refusal(modality))
        if self._recovery is None or self._recovery.done():
            self._recovery = asyncio.create_task(self._recover(), name="recovery")

    async def _probed(self, modality: str) -> Exception | None:
        """What the encoder raises with a known-good sample."""
        if self._probe is None:
            return None
        try:
            views = await asyncio.get_running_loop().run_in_executor(self._thread, self._probe, modality)
        except Exception as error:  # noqa: BLE001 - a sample that cannot be prepared is an illness as well
            return untied(error)
        outcome = await self._attempt((modality, True), [views])
        return outcome if isinstance(outcome, Exception) else None

    async def _recover(self) -> None:
        """Try the ailing encoders again and again, at growing intervals."""
        pause = FIRST_PROBE_S
        while self.ailing:
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PROBE_S)
            for modality in list(self.ailing):
                if await self._probed(modality) is None:
                    del self.ailing[modality]
                    log.warning("the %s encoder works again", modality)

    def _refusal(self, modality: str) -> NotReadyError:
        kind = type(self.ailing[modality]).__name__
        message = f"the {modality} encoder fails with every input ({kind}); it is tried again regularly"
        return NotReadyError(message)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """The task has ended, by whatever cause: nobody may be left waiting, and newcomers need another."""
        jobs = [*self._running, *(job for queue in self._queues.values() for job in queue)]
        self._queues.clear()
        self._running = []
        for job in jobs:
            fail(job, NotReadyError(STOPPED if self._closed else "the encoders had to be started again"))
        if self._closed:
            return
        log.error("the batcher has died", exc_info=None if task.cancelled() else task.exception())
        now = perf_counter()
        self._deaths.append(now)
        if len(self._deaths) < MOST_DEATHS or now - self._deaths[0] > DEATHS_WITHIN_S:
            self.start()
