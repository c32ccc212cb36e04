"""Searches together, a change alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class Gate:
    """A readers-writer lock that starves nobody.

    Who wants to write stops new readers from entering, so writers are not starved; who ends writing lets in
    every reader that came meanwhile before the next writer, so readers are not starved either. Not
    re-entrant.
    """

    def __init__(self) -> None:
        self._changed = Condition()
        self._inside = 0
        self._queued = 0
        self._writers = 0
        self._writing = False
        self._phase = 0

    @contextmanager
    def reading(self) -> Iterator[None]:
        self._enter()
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    @contextmanager
    def writing(self) -> Iterator[None]:
        with self._changed:
            self._writers += 1
            self._changed.wait_for(lambda: not self._writing and not self._inside)
            self._writers -= 1
            self._writing = True
        try:
            yield
        finally:
            with self._changed:
                self._writing = False
                self._phase += 1
                self._inside, self._queued = self._queued, 0
                self._changed.notify_all()

    def _enter(self) -> None:
        with self._changed:
            if not (self._writing or self._writers):
                self._inside += 1
                return
            self._queued += 1
            phase = self._phase
            # The writer that ends counts the queued readers in, so there is nothing to add here.
            self._changed.wait_for(lambda: self._phase != phase)
