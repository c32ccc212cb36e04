"""A batcher without a clock: while batches are in the encoder, the next one fills.

One task gives batches to as many threads as there are lanes. Whatever happens to any of them, every caller
gets an answer. A batch that fails is tried again item by item; where every item fails, so does perhaps the
encoder, and a known-good sample decides. An encoder that fails with that too is left alone, and asked with
it again from time to time.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from time import perf_counter
from typing import TypeAlias

import numpy as np

from models.embedder import Views
from service import tracing
from service.admission import Admission
from service.batch import (
    Item,
    Job,
    Key,
    Queues,
    Vector,
    fail,
    for_caller,
    prepared,
    settle,
    untied,
    views_in,
)
from service.errors import NotReadyError
from service.metrics import Metrics
from service.pace import Pace

log = logging.getLogger(__name__)

Encode: TypeAlias = Callable[[str, Sequence[Views], bool], Vector]
Probe: TypeAlias = Callable[[str], Views]
Divide: TypeAlias = Callable[[int], None]

STOPPED = "the encoders have stopped; the server has to be restarted"
# A task that dies is begun anew; one that dies this often within this time is left dead.
MOST_DEATHS = 3
DEATHS_WITHIN_S = 60.0
# Between two attempts with an encoder that fails; the pause doubles up to the longest.
FIRST_PROBE_S = 0.5
LONGEST_PROBE_S = 30.0
# The share of a batch that is worth a further lane: smaller ones cost more an item than they gain.
WORTH = 0.5


class Batcher:
    """`encode(modality, views, normalize)` gives (n, dim); items of one modality go through it together.

    `queue_limit`: most admitted items per modality. `max_wait_s`: longest expected wait of what is admitted.
    `batch_views`: most views in one call of `encode` (an item with more goes alone). `probe(modality)` gives
    a known-good sample's views. `decode_threads`: how many items are decoded at the same time. `lanes`: most
    batches that are encoded at the same time; `divide(n)` is called in a lane's thread before `encode`, with
    the number of lanes that share the processors.
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
        lanes: int = 1,
        divide: Divide = lambda _: None,
    ) -> None:
        self.encode = encode
        self.metrics = metrics or Metrics()
        self.lanes = lanes
        self.divide = divide
        self.pace = Pace(batch_views, decode_threads)
        self.ailing: dict[str, Exception] = {}
        self._admission = Admission(self.pace, queue_limit, max_wait_s, lanes)
        self._probe = probe
        self._queues = Queues(batch_views)
        self._running: list[tuple[Key, list[Job]]] = []
        self._changed = asyncio.Event()
        self._threads = ThreadPoolExecutor(lanes, thread_name_prefix="encoder")
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
        [outcome] = await self.submit_all(modality, [views], normalize=normalize)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    async def submit_all(
        self, modality: str, items: Sequence[Item], *, normalize: bool = True
    ) -> list[Vector | BaseException]:
        """For each item its vector, or what its preparing or encoding raised. Raises NotReadyError."""
        if not self.alive:
            raise NotReadyError(STOPPED)
        if modality in self.ailing:
            raise self._refusal(modality)
        loop = asyncio.get_running_loop()
        jobs = [Job(item, loop.create_future()) for item in items]
        for job in jobs:
            self._queues.put((modality, normalize), job)
        self._changed.set()
        outcomes = await asyncio.gather(*(job.future for job in jobs), return_exceptions=True)
        for job in jobs:
            # No batch ever took it: the encoders have stopped, or fail with everything.
            if math.isinf(job.taken):
                continue
            tracing.record("queue", job.since, job.taken, modality=modality)
            tracing.record("encode", job.taken, perf_counter(), modality=modality)
        return outcomes

    async def close(self) -> None:
        """Stop; whoever still waits gets NotReadyError. A batch in the encoder is not waited for."""
        self._closed = True
        tasks = {task for task in (self._task, self._recovery) if task is not None}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as lanes:
            while True:
                await self._changed.wait()
                self._changed.clear()
                while (key := self._next()) is not None:
                    batch = self._queues.take(key)
                    if batch:
                        self._running.append((key, batch))
                        lanes.create_task(self._serve(key, batch))

    def _next(self) -> Key | None:
        """Whose batch to begin: a free lane takes what has no other, and of the rest what is worth it."""
        if len(self._running) >= self.lanes:
            return None
        busy = {modality for (modality, _), _ in self._running}
        waiting = self._queues.keys()
        return next((key for key in waiting if key[0] not in busy or self._queues.fills(key, WORTH)), None)

    async def _serve(self, key: Key, batch: list[Job]) -> None:
        for job in batch:
            job.taken = perf_counter()
            self.metrics.waited(key[0], job.taken - job.since)
        await self._encode_batch(key, batch)
        self._running.remove((key, batch))
        self._changed.set()

    async def _encode_batch(self, key: Key, batch: list[Job]) -> None:
        outcomes = await self._attempt(key, [job.item for job in batch])
        if isinstance(outcomes, Exception):
            extra = {"modality": key[0], "error": type(outcomes).__name__}
            log.error("a batch failed; its items are tried one by one", exc_info=outcomes, extra=extra)
            await self._encode_one_by_one(key, batch)
            return
        for job, outcome in zip(batch, outcomes, strict=True):
            settle(job, outcome)

    async def _encode_one_by_one(self, key: Key, batch: list[Job]) -> None:
        failed = 0
        for job in batch:
            outcomes = await self._attempt(key, [job.item])
            if isinstance(outcomes, Exception):
                failed += 1
                fail(job, for_caller(outcomes, key[0]))
            else:
                settle(job, outcomes[0])
        if failed == len(batch):
            await self._examine(key[0])

    async def _attempt(self, key: Key, items: Sequence[Item]) -> list[Vector | Exception] | Exception:
        """The outcomes, or the error as a value: in an open `except` the failed batch keeps its memory."""
        try:
            return await self._call(key, items)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - a panic of compiled code derives from no Exception
            return untied(error)

    async def _call(self, key: Key, items: Sequence[Item]) -> list[Vector | Exception]:
        """For each item its vector, or what its preparing raised. Raises what the encoder raises."""
        loop = asyncio.get_running_loop()
        with self.pace.encoding(key[0], len(items), lambda: sum(map(views_in, items))):
            return await loop.run_in_executor(self._threads, self._in_lane, self._sharing(key), key, items)

    def _sharing(self, key: Key) -> int:
        """Among how many lanes the processors are to be divided: all, where there is or comes a second."""
        alone = len(self._running) <= 1 and not self._queues.fills(key, WORTH)
        return 1 if alone else self.lanes

    def _in_lane(self, sharing: int, key: Key, items: Sequence[Item]) -> list[Vector | Exception]:
        self.divide(sharing)
        ready = [prepared(item) for item in items]
        views = [each for each in ready if isinstance(each, Views)]
        rows = iter(self._rows(key, views) if views else ())
        return [next(rows) if isinstance(each, Views) else each for each in ready]

    def _rows(self, key: Key, views: Sequence[Views]) -> Vector:
        modality, normalize = key
        with self.metrics.encoding(modality, len(views), sum(map(views_in, views))):
            rows = self.encode(modality, views, normalize)
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
        for job in self._queues.drop(modality):
            fail(job, self._refusal(modality))
        if self._recovery is None or self._recovery.done():
            self._recovery = asyncio.create_task(self._recover(), name="recovery")

    async def _probed(self, modality: str) -> Exception | None:
        """What the encoder raises with a known-good sample."""
        if self._probe is None:
            return None
        try:
            views = await asyncio.get_running_loop().run_in_executor(self._threads, self._probe, modality)
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
        jobs = [job for _, batch in self._running for job in batch] + self._queues.drop()
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
