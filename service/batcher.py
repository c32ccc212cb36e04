"""A batcher without a clock: while batches are in the encoder, the next one fills.

One task begins lanes, each in a thread that goes on as long as there is something for it. Whatever happens
to any of them, every caller gets an answer. A batch that fails is tried again item by item; where every item
fails, so does perhaps the encoder, and a known-good sample decides. An encoder that fails with that too is
left alone, and asked with it again from time to time.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext, suppress
from time import perf_counter
from typing import TypeAlias, TypeVar

from models.embedder import Views
from models.machine import lower_priority
from service import tracing
from service.admission import Admission
from service.ailments import Ailments
from service.attempts import Attempts, Divide, Encode, Outcome, Turn
from service.batch import Item, Job, Key, Vector, fail, for_caller, settle, settle_all, untied
from service.errors import NotReadyError
from service.metrics import Metrics
from service.pace import Pace
from service.schedule import Batch, Schedule

log = logging.getLogger(__name__)

T = TypeVar("T")
Probe: TypeAlias = Callable[[str], Views]

STOPPED = "the encoders have stopped; the server has to be restarted"
# A task that dies is begun anew; one that dies this often within this time is left dead.
MOST_DEATHS = 3
DEATHS_WITHIN_S = 60.0


async def outcomes_of(futures: Sequence[asyncio.Future[Vector]]) -> list[Vector | BaseException]:
    """What each of them gives or raises; for a lone one without the cost of gathering."""
    if len(futures) != 1:
        return await asyncio.gather(*futures, return_exceptions=True)
    try:
        return [await futures[0]]
    except Exception as error:  # noqa: BLE001 - its caller is told
        return [error]


class Batcher:
    """`encode(modality, views, normalize)` gives (n, dim); items of one modality go through it together.

    `queue_limit`: most admitted items per modality. `max_wait_s`: longest expected wait of what is admitted.
    `batch_views`: most views in one call of `encode` (an item with more goes alone). `probe(modality)` gives
    a known-good sample's views. `decode_threads`: how many items are decoded at the same time. `lanes`: most
    batches that are encoded at the same time; `divide(n)` is called in a lane's thread before `encode`, with
    the number of lanes that share the processors, and `turn()` is entered for each call.
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
        turn: Turn = nullcontext,
    ) -> None:
        self.metrics = metrics or Metrics()
        self.lanes = lanes
        self.pace = Pace(batch_views, decode_threads)
        self.attempts = Attempts(encode, turn, divide, self.metrics, self.pace)
        self.ailing = Ailments(lambda modality: self._in_thread(self._probed, modality))
        self._admission = Admission(self.pace, queue_limit, max_wait_s, lanes)
        self._probe = probe
        self._schedule = Schedule(batch_views, lanes)
        self._changed = asyncio.Event()
        # One more to try ailing encoders again, while the lanes are busy with others. The event loop goes
        # before them: where it waits for a processor, so does everybody, and soon the lanes.
        self._threads = ThreadPoolExecutor(lanes + 1, "encoder", lower_priority)
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self._deaths: deque[float] = deque(maxlen=MOST_DEATHS)

    def start(self) -> None:
        """Begin to encode; to be called in the event loop that will submit."""
        self._loop = asyncio.get_running_loop()
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
        return str(self.ailing) if self.ailing else None

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
            raise self.ailing.refusal(modality)
        jobs = [Job(item, self._loop.create_future()) for item in items]
        if self._schedule.put((modality, normalize), jobs):
            self._changed.set()
        outcomes = await outcomes_of([job.future for job in jobs])
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
        await self.ailing.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as lanes:
            while True:
                await self._changed.wait()
                self._changed.clear()
                while (batch := self._schedule.begin()) is not None:
                    lanes.create_task(self._lane([batch]))

    async def _lane(self, handed: list[Batch]) -> None:
        await self._in_thread(self._run_lane, handed)

    def _in_thread(self, call: Callable[..., T], *words: object) -> asyncio.Future[T]:
        return self._loop.run_in_executor(self._threads, call, *words)

    def _run_lane(self, handed: list[Batch]) -> None:
        """In a thread: the batch, which nobody else holds, and all that comes after it."""
        batch: Batch | None = handed.pop()
        while batch is not None:
            self._encode_batch(batch)
            batch = self._schedule.follow(batch)

    def _encode_batch(self, batch: Batch) -> None:
        modality = batch.key[0]
        for job in batch.jobs:
            job.taken = perf_counter()
            self.metrics.waited(modality, job.taken - job.since)
        outcomes = self._attempt(batch.key, [job.item for job in batch.jobs], batch)
        if not isinstance(outcomes, Exception):
            self._in_loop(settle_all, batch.jobs, outcomes)
            return
        extra = {"modality": modality, "error": type(outcomes).__name__}
        log.error("a batch failed; its items are tried one by one", exc_info=outcomes, extra=extra)
        self._encode_one_by_one(batch)

    def _encode_one_by_one(self, batch: Batch) -> None:
        """Those whose callers still wait."""
        failed = passed = 0
        for job in batch.jobs:
            if job.future.done():
                continue
            outcomes = self._attempt(batch.key, [job.item], batch)
            if isinstance(outcomes, Exception):
                failed += 1
                self._in_loop(fail, job, for_caller(outcomes, batch.key[0]))
            else:
                passed += 1
                self._in_loop(settle, job, outcomes[0])
        if failed and not passed:
            self._examine(batch)

    def _attempt(self, key: Key, items: Sequence[Item], own: Batch | None) -> list[Outcome] | Exception:
        return self.attempts.of(key, items, self._schedule.sharing(key, own))

    def _in_loop(self, call: Callable[..., None], *words: object) -> None:
        """From a thread to the event loop; where that has ended nobody waits any more."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call, *words)

    def _examine(self, batch: Batch) -> None:
        """No item of it has passed: a known-good sample tells whether the encoder is to blame."""
        modality = batch.key[0]
        error = None if self._closed else self._probed(modality, batch)
        if error is not None:
            self._in_loop(self._give_up, modality, error, self._schedule.drop(modality))

    def _probed(self, modality: str, own: Batch | None = None) -> Exception | None:
        """What the encoder raises with a known-good sample."""
        if self._probe is None:
            return None
        try:
            views = self._probe(modality)
        except Exception as error:  # noqa: BLE001 - a sample that cannot be prepared is an illness as well
            return untied(error)
        outcome = self._attempt((modality, True), [views], own)
        return outcome if isinstance(outcome, Exception) else None

    def _give_up(self, modality: str, error: Exception, waiting: Sequence[Job]) -> None:
        if self._closed:
            for job in waiting:
                fail(job, NotReadyError(STOPPED))
            return
        self.ailing.add(modality, error)
        for job in (*waiting, *self._schedule.drop(modality)):
            fail(job, self.ailing.refusal(modality))

    def _ended(self, task: asyncio.Task[None]) -> None:
        """The task has ended, by whatever cause: nobody may be left waiting, and newcomers need another."""
        for job in self._schedule.clear():
            fail(job, NotReadyError(STOPPED if self._closed else "the encoders had to be started again"))
        if self._closed:
            return
        log.error("the batcher has died", exc_info=None if task.cancelled() else task.exception())
        now = perf_counter()
        self._deaths.append(now)
        if len(self._deaths) < MOST_DEATHS or now - self._deaths[0] > DEATHS_WITHIN_S:
            self.start()
