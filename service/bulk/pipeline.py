"""Files -> decoding processes -> encoder -> collection, all three at work at the same time.

A thread feeds the processes and takes their answers; the caller's thread makes batches of one modality, which
lanes encode; another one writes. The queues between them are short, by number and by bytes, so memory is
bounded.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice
from queue import Empty, Full, Queue

from index import Collection
from models.embedder import Embedder
from service.bulk.candidates import Fault, Found
from service.bulk.choosing import Chosen, Plan, choose, encodable, id_taken, prune, stored_marks
from service.bulk.known import Known
from service.bulk.lanes import Batch, Encoded, Encoder, Lanes
from service.bulk.pool import Answer, DecodePool, Errand
from service.bulk.report import Report
from service.bulk.storing import LONGEST_S, Storing

READY = 256  # prepared items that wait for the encoder
READY_BYTES = 256_000_000
TICK_S = 0.2


class Ready:
    """Answers on their way from the feeding thread to the encoding one; None is the end."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._queue: Queue[Answer | None] = Queue(READY)
        self._bytes = 0
        self._lock = threading.Lock()

    def put(self, answer: Answer | None) -> None:
        """Wait for room, as long as nobody stops."""
        while not self._stop.is_set():
            if self._bytes > READY_BYTES and answer is not None:
                self._stop.wait(TICK_S / 10)
                continue
            try:
                self._queue.put(answer, timeout=TICK_S)
            except Full:
                continue
            self._count(answer, 1)
            return

    def get(self) -> Answer | None:
        """Raises Empty after a moment."""
        answer = self._queue.get(timeout=TICK_S)
        self._count(answer, -1)
        return answer

    def _count(self, answer: Answer | None, sign: int) -> None:
        if answer is not None:
            size = len(answer.data) + sum(each.tensor.nbytes for each in answer.all_views)
            with self._lock:
                self._bytes += sign * size


class Ingest:
    """One pass of a source into a collection; `stop` ends it early."""

    def __init__(  # noqa: PLR0913, PLR0917 - what a pass stands on
        self,
        plan: Plan,
        embedder: Embedder,
        encoder: Encoder,
        collection: Collection,
        pool: DecodePool,
        report: Report,
        stop: threading.Event,
        batch_views: int,
    ) -> None:
        self.plan, self.embedder, self.batch_views = plan, embedder, batch_views
        self.collection, self.pool, self.report, self.stop = collection, pool, report, stop
        self._ready = Ready(stop)
        self._broken: BaseException | None = None
        self._taken: set[str] = set()
        self._batches: defaultdict[str, Batch] = defaultdict(Batch)
        self._lanes = Lanes(encoder)
        self._storing = Storing(collection, embedder, plan.source, report)

    def run(self, found: Iterable[Found]) -> None:
        """Until all is stored, or `stop` is set; what is prepared by then is stored still.

        Raises StoreError where the collection can be used no longer, NotReadyError, OSError.
        """
        known = Known(stored_marks(self.collection))
        feeder = threading.Thread(target=self._feed, args=(found, known), name="feed", daemon=True)
        feeder.start()
        try:
            while (answer := self._next()) is not None:
                self._take(answer)
            for modality in list(self._batches):
                self._encode(modality)
            self._store(self._lanes.encoded(0))
            self._storing.finish()
            self.report.finished = not self.stop.is_set() and self._broken is None
        finally:
            self.stop.set()
            feeder.join()
            self._lanes.close()
            self._storing.close()
        if self._broken is not None:
            raise self._broken
        if self.plan.prune:
            prune(known, self.plan, self.report, self.collection.delete)
        known.close()

    def _feed(self, found: Iterable[Found], known: Known) -> None:
        hindrance = encodable(self.embedder, self.collection)
        try:
            errands = self._errands(choose(found, self.plan, known, self.report, hindrance))
            for answer in self.pool.run(errands, self.stop.is_set):
                self._ready.put(answer)
                if self.stop.is_set():
                    break
        except BaseException as error:  # noqa: BLE001 - raised again by the caller's thread
            self._broken = error
        self._ready.put(None)

    def _errands(self, chosen: Iterable[Chosen]) -> Iterator[Errand]:
        for each in chosen:
            if each.taken:
                self._taken.add(each.candidate.id)
            elif each.there:
                self._storing.replaced.add(each.candidate.id)
            yield Errand(each.candidate, each.print, self.plan.inside, self.collection.keeps_media)

    def _next(self) -> Answer | None:
        """The next answer, None at the end; meanwhile nothing waits long to be written."""
        while not self.stop.is_set():
            self._store(self._lanes.encoded(READY))
            self._storing.write_if_due()
            try:
                return self._ready.get()
            except Empty:
                self._encode_stale()
        return None

    def _take(self, answer: Answer) -> None:
        taken = answer.candidate.id in self._taken
        self._taken.discard(answer.candidate.id)
        if answer.views is not None and taken:
            self.report.fail(id_taken(answer.candidate))
            return
        if answer.views is not None:
            batch = self._batches[answer.candidate.modality]
            batch.add(answer)
            if batch.views >= self.batch_views:
                self._encode(answer.candidate.modality)
            return
        self._storing.replaced.discard(answer.candidate.id)
        if answer.fault is not None:
            self.report.fail(Fault(answer.candidate.file, *answer.fault))
        else:
            self.report.leave()

    def _encode_stale(self) -> None:
        now = time.monotonic()
        for modality in [name for name, each in self._batches.items() if now - each.since > LONGEST_S]:
            self._encode(modality)

    def _encode(self, modality: str) -> None:
        self._store(self._lanes.give(modality, self._batches.pop(modality)))

    def _store(self, encoded: Iterable[Encoded]) -> None:
        for modality, batch, vectors in encoded:
            each = iter(vectors)
            for answer in batch.answers:
                whole, *parts = islice(each, len(answer.all_views))
                if whole is None:
                    message = f"the {modality} encoder gives no usable numbers for it"
                    self.report.fail(Fault(answer.candidate.file, message, "internal_error"))
                else:
                    self._storing.add(answer, whole, parts)
