"""A semaphore in the order of arrival.

`threading.Semaphore` lets who has just let go take it again before those who wait.
"""

from __future__ import annotations

from collections import deque
from threading import Lock


class FairSemaphore:
    """For `with`: at most `count` threads at a time, in the order in which they came."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting = deque[Lock]()
        self._lock = Lock()

    def __enter__(self) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            mine = Lock()
            mine.acquire()
            self._waiting.append(mine)
        mine.acquire()

    def __exit__(self, *_: object) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1
