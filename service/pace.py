"""How long an input will wait, from how long the last ones took: the measure of admission and Retry-After."""

from __future__ import annotations

import math
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter

# Share of the newest measurement in the moving averages.
NEWEST = 0.2
SHORTEST_RETRY_S, LONGEST_RETRY_S = 1, 60


def retry_after_s(wait_s: float) -> int:
    """Whole seconds for `Retry-After`, 1 to 60."""
    return max(SHORTEST_RETRY_S, min(LONGEST_RETRY_S, math.ceil(wait_s)))


class Pace:
    """Moving averages of seconds per item and modality, of decoding (over `threads`) and of encoding.

    What has begun and not ended counts with its age, so that slow inputs are noticed at once. What is
    prepared in an encoder's thread is part of encoding.
    """

    def __init__(self, batch_views: int, threads: int = 1, clock: Callable[[], float] = perf_counter) -> None:
        self.batch_views = batch_views
        self.threads = threads
        self._clock = clock
        self._decode_s: dict[str, float] = {}
        self._encode_s: dict[str, float] = {}
        self._views: dict[str, float] = {}
        self._begun: defaultdict[str, list[float]] = defaultdict(list)
        self._lanes = 0
        self._lock = threading.Lock()

    @contextmanager
    def decoding(self, modality: str) -> Iterator[None]:
        """Measure the decoding of one item; in any thread."""
        began = self._clock()
        with self._lock:
            self._begun[modality].append(began)
        try:
            yield
        finally:
            with self._lock:
                self._begun[modality].remove(began)
                self._learn(self._decode_s, modality, self._clock() - began)

    @contextmanager
    def encoding(self, modality: str, items: int, views: Callable[[], int]) -> Iterator[None]:
        """Measure one batch; what is encoded beside it has its share. `views` are counted at its end."""
        with self._lock:
            self._lanes += 1
            began, beside = self._clock(), self._lanes
        try:
            yield
            with self._lock:
                taken = (self._clock() - began) / ((beside + self._lanes) / 2)
                self._learn(self._encode_s, modality, taken / items)
                self._learn(self._views, modality, views() / items)
        finally:
            with self._lock:
                self._lanes -= 1

    def batch_items(self, modality: str) -> int:
        """Items that fill a batch."""
        return max(1, round(self.batch_views / self._views.get(modality, 1.0)))

    def views(self, modality: str) -> int:
        """How many an item usually has."""
        return max(1, round(self._views.get(modality, 1.0)))

    def wait_s(self, modality: str, waiting: Mapping[str, int]) -> float:
        """Seconds until all of `waiting` (modality -> items) of this modality are done.

        Queues take turns batch by batch, decoding is first come, first served; the slower of the two counts.
        """
        encoding = decoding = 0.0
        with self._lock:
            rounds = math.ceil(waiting[modality] / self.batch_items(modality))
            for name, count in waiting.items():
                if count:
                    at_most = min(count, rounds * self.batch_items(name))
                    encoding += at_most * self._encode_s.get(name, 0.0)
                    decoding += self._decoding_s(name, count)
        return max(encoding, decoding / self.threads)

    def _decoding_s(self, modality: str, count: int) -> float:
        """Of one thread for so many items; of a known kind one that is stuck does not speak for all."""
        now = self._clock()
        ages = [now - began for began in self._begun[modality]]
        usual = self._decode_s.get(modality)
        if usual is None:
            return count * max(ages, default=0.0)
        each = max(usual, min(ages)) if len(ages) >= self.threads else usual
        return count * each + sum(max(0.0, age - each) for age in ages)

    @staticmethod
    def _learn(averages: dict[str, float], modality: str, newest: float) -> None:
        before = averages.get(modality, newest)
        averages[modality] = before + NEWEST * (newest - before)


class Calm:
    """Tells a burst from a lasting overload: how long more than two batches have been waiting.

    After "controlled delay" (Nichols and Jacobson 2012; Maurer, "Fail at scale", 2015): a burst may fill the
    queue, but a queue that stands only adds delay.
    """

    BATCHES = 2
    BURST_S = 0.25

    def __init__(self, pace: Pace, clock: Callable[[], float] = perf_counter) -> None:
        self._pace = pace
        self._clock = clock
        self._since: dict[str, float] = {}

    def look(self, waiting: Counter[str]) -> None:
        """To be told whenever the number of waiting items has changed."""
        now = self._clock()
        for modality, count in waiting.items():
            short = count <= self.BATCHES * self._pace.batch_views
            self._since[modality] = now if short else self._since.get(modality, now)

    def lasting(self, modality: str) -> bool:
        """Whether the queue of this modality has not been short for a while."""
        return self._clock() - self._since[modality] > self.BURST_S
