"""Which batch goes next, told to whoever asks: the event loop that brought new items, or a lane that is free.

A lane does not wait for its turn in the event loop before it goes on: under load that would be a quarter of
its time.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from service.batch import Job, Key, Queues

# The share of a batch that is worth a further lane: smaller ones cost more an item than they gain.
WORTH = 0.5


@dataclass(frozen=True, eq=False)
class Batch:
    """Jobs that go through an encoder together."""

    key: Key
    jobs: Sequence[Job]


class Schedule:
    """What waits, and what is in the lanes. All methods may be called in any thread."""

    def __init__(self, batch_views: int, lanes: int) -> None:
        self.lanes = lanes
        self._queues = Queues(batch_views)
        self._running: list[Batch] = []
        self._lock = threading.Lock()

    def put(self, key: Key, jobs: Sequence[Job]) -> bool:
        """Let them wait; whether there is a free lane. Where there is none, one that goes on sees them."""
        with self._lock:
            for job in jobs:
                self._queues.put(key, job)
            return len(self._running) < self.lanes

    def begin(self) -> Batch | None:
        """A batch for a free lane, where there is one and what waits is worth it."""
        with self._lock:
            return self._begun()

    def follow(self, done: Batch) -> Batch | None:
        """What the lane goes on with that has `done` this one; nothing where all was dropped meanwhile."""
        with self._lock:
            if done not in self._running:
                return None
            self._running.remove(done)
            return self._begun()

    def sharing(self, key: Key, own: Batch | None) -> int:
        """Among how many lanes the processors are divided: all, where there is or comes one beside `own`."""
        with self._lock:
            others = any(batch is not own for batch in self._running)
            return self.lanes if others or self._queues.fills(key, WORTH) else 1

    def drop(self, modality: str) -> list[Job]:
        """Those of a modality that wait, who do so no longer."""
        with self._lock:
            return self._queues.drop(modality)

    def clear(self) -> list[Job]:
        """All, in the lanes too; what these are doing is nobody's any more."""
        with self._lock:
            jobs = [job for batch in self._running for job in batch.jobs] + self._queues.drop()
            self._running = []
            return jobs

    def _begun(self) -> Batch | None:
        while (key := self._next()) is not None:
            if jobs := self._queues.take(key):
                batch = Batch(key, jobs)
                self._running.append(batch)
                return batch
        return None

    def _next(self) -> Key | None:
        """A free lane takes what has no other, and of the rest what is worth it.

        What is in no lane is always taken when its turn comes, or many of another kind could keep it waiting.
        """
        if len(self._running) >= self.lanes:
            return None
        busy = {batch.key for batch in self._running}
        waiting = self._queues.keys()
        return next((key for key in waiting if key not in busy or self._queues.fills(key, WORTH)), None)
