"""Batches on their way through the encoder, in as many threads as there are lanes.

Threads that share a batch wait for each other after every product; those with a batch each do not, and leave
the processors to the decoding processes as soon as they have nothing to do.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from models.embedder import Embedder, Views
from models.machine import compute_threads, encode_lanes, use_threads
from service.bulk.pool import Answer

Encode: TypeAlias = Callable[[str, Sequence[Views]], np.ndarray]
Vectors: TypeAlias = Sequence[np.ndarray | None]


@dataclass
class Batch:
    """Prepared items of one modality."""

    answers: list[Answer] = field(default_factory=list)
    views: int = 0
    since: float = field(default_factory=time.monotonic)

    def add(self, answer: Answer) -> None:
        self.answers.append(answer)
        self.views += sum(len(each.tensor) for each in answer.all_views)


Encoded: TypeAlias = tuple[str, Batch, Vectors]


class Encoder:
    """`encode(modality, views)`: (n, dim), in `lanes` threads, each on `threads` processors (None: as is)."""

    def __init__(self, encode: Encode, lanes: int = 1, threads: int | None = None) -> None:
        self.encode, self.lanes, self.threads = encode, lanes, threads

    @classmethod
    def of(cls, embedder: Embedder, lanes: int | None = None) -> Encoder:
        """All the processors that the model may take, for nothing but this; `lanes` None: as is usual."""
        threads = compute_threads()
        # torch.compile works on one call at a time.
        lanes = 1 if embedder.compiled else lanes or encode_lanes(embedder.device, threads)
        return cls(embedder.encode, lanes, max(1, threads // lanes))

    def begin(self) -> None:
        if self.threads is not None:
            use_threads(self.threads)

    def vectors(self, modality: str, views: Sequence[Views]) -> Vectors:
        """Together; where that fails one by one, None for those that fail by themselves."""
        rows = self._rows(modality, views)
        if rows is not None:
            return list(rows)
        each = [self._rows(modality, [one]) for one in views]
        return [None if row is None else row[0] for row in each]

    def _rows(self, modality: str, views: Sequence[Views]) -> np.ndarray | None:
        try:
            rows = self.encode(modality, views)
        except RuntimeError:
            return None
        return rows if np.isfinite(rows).all() else None


class Lanes:
    """The threads of an encoder; one batch more is on its way, so that none waits for its next one."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._threads = ThreadPoolExecutor(encoder.lanes, "encode", encoder.begin)
        self._on_way: deque[tuple[str, Batch, Future[Vectors]]] = deque()

    def give(self, modality: str, batch: Batch) -> Iterator[Encoded]:
        """Begin with a batch; gives those that are encoded, and waits for one where there are too many."""
        views = [each for answer in batch.answers for each in answer.all_views]
        future = self._threads.submit(self._encoder.vectors, modality, views)
        self._on_way.append((modality, batch, future))
        return self.encoded(self._encoder.lanes)

    def encoded(self, most: int) -> Iterator[Encoded]:
        """The batches that are encoded, in the order they were given, until at most `most` are on their way.

        Raises what the encoder raises.
        """
        while self._on_way and (len(self._on_way) > most or self._on_way[0][2].done()):
            modality, batch, future = self._on_way.popleft()
            yield modality, batch, future.result()

    def close(self) -> None:
        """Let go of what has not begun."""
        self._threads.shutdown(wait=False, cancel_futures=True)
