"""Who may come in: bounded by number and expected wait, and where an overload lasts to a few batches."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from service.errors import OverloadedError
from service.pace import Calm, Pace, retry_after_s

# In a lasting overload: the batches of one view each that may be in the lanes and stand in line. Half a one
# in line keeps the encoder busy, so that callers wait little longer than at full load.
IN_LINE = 0.5
FEWEST_BATCHES = 2 + IN_LINE
# A burst may fill the queue where it is done within this time.
BURST_WAIT_S = 0.5
# However many items they have: while one request is in a lane the next one gets ready.
REQUESTS_PER_LANE = 2


def standing(batch_views: int, lanes: int) -> int:
    """Items of one view that may stand in line, and be encoded, in a lasting overload."""
    return round(max(FEWEST_BATCHES, lanes + IN_LINE) * batch_views)


class Admission:
    """`queue_limit`: most admitted items per modality; `max_wait_s`: longest expected wait [s].

    `lanes`: batches that are encoded at the same time.
    """

    def __init__(self, pace: Pace, queue_limit: int, max_wait_s: float = math.inf, lanes: int = 1) -> None:
        self.pace = pace
        self._fewest_requests = REQUESTS_PER_LANE * lanes
        self._standing = standing(pace.batch_views, lanes)
        self.queue_limit = queue_limit
        self.max_wait_s = max_wait_s
        self.admitted: Counter[str] = Counter()
        self._requests: Counter[str] = Counter()
        self._calm = Calm(pace)

    @contextmanager
    def room(self, items: Mapping[str, int]) -> Iterator[None]:
        """Room for `items` (modality -> count) while inside. Raises OverloadedError where there is none."""
        for modality, count in items.items():
            self._check(modality, count)
        self._change(items, 1)
        try:
            yield
        finally:
            self._change(items, -1)

    def _change(self, items: Mapping[str, int], sign: int) -> None:
        for modality, count in items.items():
            self.admitted[modality] += sign * count
            self._requests[modality] += sign
        self._calm.look(self.admitted)

    def _check(self, modality: str, count: int) -> None:
        """A lone request is always let in, or what is larger than the queue could never be served."""
        waiting = self.admitted[modality]
        if not waiting:
            return
        wait_s = self.pace.wait_s(modality, self.admitted)
        if waiting + count > self.queue_limit:
            surplus = (waiting + count - self.queue_limit) / waiting
            self._refuse(modality, f"at most {self.queue_limit} may", wait_s * min(1.0, surplus))
        if wait_s > self.max_wait_s:
            said = f"which takes {wait_s:.1f} s and may take {self.max_wait_s:g} s"
            self._refuse(modality, said, wait_s - self.max_wait_s)
        too_much = wait_s > BURST_WAIT_S or self._calm.lasting(modality)
        if waiting >= self._standing and self._requests[modality] >= self._fewest_requests and too_much:
            self._refuse(modality, f"at most {self._standing} may while the overload lasts", wait_s / 2)

    def _refuse(self, modality: str, most: str, wait_s: float) -> None:
        waiting = self.admitted[modality]
        seconds = retry_after_s(wait_s)
        message = f"{waiting} {modality} inputs wait, {most}; try again in {seconds} s"
        raise OverloadedError(message, retry_after_s=seconds)
