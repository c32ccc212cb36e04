"""Encoded items on their way into the collection: a transaction for some hundred, in a thread of its own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from index import Collection, Item
from index.errors import ParameterError
from models.embedder import Embedder
from service.bulk.candidates import Candidate, Fault, marked
from service.bulk.pool import Answer
from service.bulk.report import Report
from service.ingest import rows_of
from service.media_types import served_type

ITEMS = 256
BYTES = 64_000_000
LONGEST_S = 2.0  # what is encoded waits no longer for company
TRANSACTIONS = 2  # on their way at the same time


class Storing:
    """`source` marks the items as those of this source."""

    def __init__(self, collection: Collection, embedder: Embedder, source: str, report: Report) -> None:
        self.collection, self.embedder, self.source, self.report = collection, embedder, source, report
        self.replaced: set[str] = set()
        self._items: list[tuple[Candidate, Item]] = []
        self._bytes = 0
        self._since = 0.0
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="write")
        self._writes: list[Future[None]] = []

    def add(self, answer: Answer, whole: np.ndarray, parts: Sequence[np.ndarray | None] = ()) -> None:
        """`parts` are the vectors of the segments. Raises what an earlier write has raised."""
        item = self._item(answer, whole, parts)
        try:
            self.collection.check(item)
        except ParameterError as error:
            self.report.fail(Fault(answer.candidate.file, error.message, error.code))
            return
        if not self._items:
            self._since = time.monotonic()
        self._items.append((answer.candidate, item))
        self._bytes += len(answer.data)
        if len(self._items) >= ITEMS or self._bytes > BYTES:
            self.write()

    def write_if_due(self) -> None:
        """Raises what an earlier write has raised."""
        if self._items and time.monotonic() - self._since > LONGEST_S:
            self.write()

    def write(self) -> None:
        """Begin to store what has gathered. Raises what an earlier write has raised."""
        items, self._items, self._bytes = self._items, [], 0
        if items:
            self._wait(TRANSACTIONS - 1)
            self._writes.append(self._writer.submit(self._store, items))

    def finish(self) -> None:
        """Return when all is durable. Raises what a write has raised."""
        self.write()
        self._wait(0)

    def close(self) -> None:
        self._writer.shutdown()

    def _item(self, answer: Answer, whole: np.ndarray, parts: Sequence[np.ndarray | None]) -> Item:
        candidate = answer.candidate
        pairs = zip(answer.segments, parts, strict=True)
        segments = [(each.span, vector) for each, vector in pairs if vector is not None]
        media = answer.data if self.collection.keeps_media else None
        return Item(
            id=candidate.id,
            modality=candidate.modality,
            rows=rows_of(whole, segments),
            metadata=marked(candidate, self.source, answer.print),
            media=media,
            media_type=None
            if media is None
            else served_type(self.embedder.senses[candidate.modality], media),
            params={} if media is None else candidate.params,
        )

    def _store(self, items: Sequence[tuple[Candidate, Item]]) -> None:
        self.collection.upsert([item for _, item in items], self.embedder.bound)
        for candidate, _ in items:
            self.report.store(candidate.modality, replaced=candidate.id in self.replaced)
            self.replaced.discard(candidate.id)

    def _wait(self, most: int) -> None:
        while len(self._writes) > most:
            self._writes.pop(0).result()
