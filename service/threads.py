"""Threads of which the first free one works.

The executor of the standard library lets idle threads take turns. One caller alone would meet another thread
each time, whose caches and whose own OpenMP threads have gone cold: a batch of one then takes 2 ms longer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from threading import Lock
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def run(future: Future[Any], call: Callable[[], Any]) -> None:
    """Settle `future` with what `call` gives or raises, unless it has been cancelled."""
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as error:  # noqa: BLE001 - whoever waits gets it, whatever it is
        future.set_exception(error)
    else:
        future.set_result(result)


class FirstFree(Executor):
    """`count` threads, named after `name`, each of which calls `begin` first; calls wait in one line."""

    def __init__(self, count: int, name: str, begin: Callable[[], object] = lambda: None) -> None:
        self._threads = [ThreadPoolExecutor(1, f"{name}-{i}", begin) for i in range(count)]
        self._free = set(range(count))
        self._line: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._lock = Lock()

    def submit(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        with self._lock:
            self._line.append((future, partial(call, *args, **kwargs)))
            first = min(self._free, default=None)
            if first is not None:
                self._free.remove(first)
                self._threads[first].submit(self._work, first)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - Executor
        """What waits in line is cancelled, or done first; what runs is waited for or not."""
        if cancel_futures:
            with self._lock:
                left, self._line = self._line, deque()
            for future, _ in left:
                future.cancel()
                future.set_running_or_notify_cancel()
        for thread in self._threads:
            thread.shutdown(wait, cancel_futures=cancel_futures)

    def _work(self, number: int) -> None:
        while True:
            with self._lock:
                if not self._line:
                    self._free.add(number)
                    return
                future, call = self._line.popleft()
            run(future, call)
            del future, call  # not to be held while waiting
