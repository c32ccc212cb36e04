"""Building shelves anew in the background, one at a time."""

import ctypes
import logging
import os
from collections.abc import Callable, Sequence
from threading import Lock, Thread

import faiss

log = logging.getLogger(__name__)


def give_memory_back() -> None:
    """Let the system have what was freed after much was read or built; other C libraries than glibc do so."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


class StoppedError(Exception):
    """The collection is being closed; what was being built is let go."""


class Growth:
    """A thread that lives as long as there is something to build.

    `build` makes one shelf anew, given its modality; `wanted` says which need it. A shelf that could not be
    built is left as it is until the next start.
    """

    def __init__(self, build: Callable[[str], None], wanted: Callable[[], Sequence[str]]) -> None:
        self._build = build
        self._wanted = wanted
        self._lock = Lock()
        self._thread: Thread | None = None
        self._stopped = False
        self._failed: set[str] = set()

    def go_on(self) -> None:
        """Start building, if something is wanted and nobody does it yet."""
        if not self._wanted():
            return
        with self._lock:
            if self._thread is None and not self._stopped:
                self._thread = Thread(target=self._run, name="shelf-growth")
                self._thread.start()

    def wait(self) -> None:
        """Return when nothing is being built any more."""
        while (thread := self._thread) is not None:
            thread.join()

    def check(self) -> None:
        """Let the building end early.

        Raises:
            StoppedError: `stop` was called.
        """
        if self._stopped:
            raise StoppedError

    def stop(self) -> None:
        """Start nothing any more and wait for the end of what is being done."""
        with self._lock:
            self._stopped = True
            thread = self._thread
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        # OpenMP counts threads for each of ours: half of the cores stay free for searches.
        faiss.omp_set_num_threads(max(1, (os.cpu_count() or 1) // 2))
        while (modality := self._next()) is not None:
            try:
                self._build(modality)
                give_memory_back()
            except StoppedError:
                log.info("building the %s shelf was stopped", modality)
            except Exception:
                log.exception("the %s shelf could not be built anew and stays as it is", modality)
                self._failed.add(modality)

    def _next(self) -> str | None:
        with self._lock:
            left = [] if self._stopped else [name for name in self._wanted() if name not in self._failed]
            if not left:
                self._thread = None
                return None
            return left[0]
