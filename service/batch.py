"""Prepared items that wait for an encoder, in queues that take turns, and what their callers are told."""

from __future__ import annotations

import asyncio
import math
import traceback
from collections import Counter, OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from models.embedder import Views
from service.errors import NotReadyError

Vector: TypeAlias = npt.NDArray[np.float32]
Key: TypeAlias = tuple[str, bool]
"""Items of one modality, with `normalize` or without, go through an encoder together."""


class Unprepared(Protocol):
    """What prepares an item in next to no time, in the encoder's own thread; `expected`: how many views."""

    expected: int

    def __call__(self) -> Views:
        """The item's views; called once more where its batch failed."""


Item: TypeAlias = Views | Unprepared


def untied(error: BaseException) -> Exception:
    """The error, its traceback without the variables, which would hold the batch's memory.

    A RuntimeError in place of those that a future does not take.
    """
    traceback.clear_frames(error.__traceback__)
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    return RuntimeError(f"{type(error).__name__}: {error}")


def views_in(item: Item) -> int:
    return item.tensor.shape[0] if isinstance(item, Views) else item.expected


def prepared(item: Item) -> Views | Exception:
    """The item's views, or what its preparing raised."""
    if isinstance(item, Views):
        return item
    try:
        return item()
    except Exception as error:  # noqa: BLE001 - its caller is told
        return untied(error)


@dataclass(eq=False)
class Job:
    """One item, the future that its caller waits for, since when, and when a batch took it [s]."""

    item: Item
    future: asyncio.Future[Vector]
    since: float = field(default_factory=perf_counter)
    taken: float = math.inf
    views: int = field(init=False)

    def __post_init__(self) -> None:
        self.views = views_in(self.item)


def deliver(job: Job, vector: Vector) -> None:
    if not job.future.done():
        job.future.set_result(vector)


def fail(job: Job, error: Exception) -> None:
    if not job.future.done():
        job.future.set_exception(error)


def settle(job: Job, outcome: Vector | Exception) -> None:
    """Give the job's caller its vector, or the error of its item."""
    if isinstance(outcome, Exception):
        fail(job, outcome)
    else:
        deliver(job, outcome)


def settle_all(jobs: Sequence[Job], outcomes: Sequence[Vector | Exception]) -> None:
    for job, outcome in zip(jobs, outcomes, strict=True):
        settle(job, outcome)


def out_of_memory(error: Exception) -> bool:
    """Whether memory ran out, that of the machine or that of the GPU (torch.OutOfMemoryError)."""
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"


def for_caller(error: Exception, modality: str) -> Exception:
    """What the caller of one item is told: of too little memory that it may be enough later."""
    if not out_of_memory(error):
        return error
    message = f"the {modality} encoder ran out of memory; send fewer or smaller inputs, or try again later"
    return NotReadyError(message)


class Queues:
    """One queue for each key; `batch_views`: most views in a batch, but one item at least."""

    def __init__(self, batch_views: int) -> None:
        self.batch_views = batch_views
        self._queues: OrderedDict[Key, deque[Job]] = OrderedDict()
        self._views = Counter[Key]()

    def put(self, key: Key, job: Job) -> None:
        self._queues.setdefault(key, deque()).append(job)
        self._views[key] += job.views

    def keys(self) -> list[Key]:
        """Those that wait, the one that has waited longest for its turn first."""
        return list(self._queues)

    def fills(self, key: Key, share: float) -> bool:
        """Whether as many views wait there as that share of a batch."""
        return self._views[key] >= share * self.batch_views

    def take(self, key: Key) -> list[Job]:
        """A batch of those whose callers still wait; the next turn of this queue is the last."""
        queue = self._queues.pop(key)
        batch: list[Job] = []
        room = self.batch_views
        while queue and (not batch or queue[0].views <= room):
            job = queue.popleft()
            self._views[key] -= job.views
            if not job.future.done():
                batch.append(job)
                room -= job.views
        if queue:
            self._queues[key] = queue
        return batch

    def drop(self, modality: str | None = None) -> list[Job]:
        """Everything, or everything of a modality, which does not wait any longer."""
        keys = [key for key in self._queues if modality in (None, key[0])]
        for key in keys:
            del self._views[key]
        return [job for key in keys for job in self._queues.pop(key)]
