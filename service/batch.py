"""Prepared items that wait for an encoder, in queues that take turns, and what their callers are told."""

from __future__ import annotations

import asyncio
import math
import traceback
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from time import perf_counter
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from models.embedder import Views
from service.errors import NotReadyError

Vector: TypeAlias = npt.NDArray[np.float32]
Key: TypeAlias = tuple[str, bool]
"""Items of one modality, with `normalize` or without, go through an encoder together."""


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


class Queues:
    """One queue for each key; `batch_views`: most views in a batch, but one item at least."""

    def __init__(self, batch_views: int) -> None:
        self.batch_views = batch_views
        self._queues: OrderedDict[Key, deque[Job]] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._queues)

    def put(self, key: Key, job: Job) -> None:
        self._queues.setdefault(key, deque()).append(job)

    def keys(self) -> list[Key]:
        """Those that wait, the one that has waited longest for its turn first."""
        return list(self._queues)

    def fills(self, key: Key, share: float) -> bool:
        """Whether as many views wait there as that share of a batch."""
        views = 0
        for job in self._queues.get(key, ()):
            views += len(job.views.tensor)
            if views >= share * self.batch_views:
                return True
        return False

    def take(self, key: Key) -> list[Job]:
        """A batch of those whose callers still wait; the next turn of this queue is the last."""
        queue = self._queues.pop(key)
        batch: list[Job] = []
        room = self.batch_views
        while queue and (not batch or len(queue[0].views.tensor) <= room):
            job = queue.popleft()
            if not job.future.done():
                batch.append(job)
                room -= len(job.views.tensor)
        if queue:
            self._queues[key] = queue
        return batch

    def drop(self, modality: str | None = None) -> list[Job]:
        """Everything, or everything of a modality, which does not wait any longer."""
        keys = [key for key in self._queues if modality in (None, key[0])]
        return [job for key in keys for job in self._queues.pop(key)]
