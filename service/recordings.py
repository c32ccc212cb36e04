"""Long recordings on their way: few at a time, since the segments of an hour take a hundred megabytes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock

from models.segments import Prepared, Span
from service.batch import Vector

# Whose segments may be in memory at the same time.
AT_A_TIME = 4


@dataclass(frozen=True, eq=False)
class EmbeddedSegment:
    """A stretch of a recording and its vector, float32 (dim,)."""

    span: Span
    vector: Vector


def group_of(segments: Iterator[Prepared], most_views: int) -> list[Prepared]:
    """The next ones, as many as fill a batch."""
    group: list[Prepared] = []
    views = 0
    while views < most_views and (each := next(segments, None)) is not None:
        group.append(each)
        views += len(each.views.tensor)
    return group


class Room:
    """Room for `most` recordings; who finds none is told so, and may wait."""

    def __init__(self, most: int = AT_A_TIME) -> None:
        self.free = most
        self.lock = Lock()
        self.waiting: deque[asyncio.Future[None]] = deque()


class Turn:
    """One recording's use of the room, from `enter` to `leave`."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._inside = self._over = False

    def enter(self) -> bool:
        """Whether it is inside now; may be called in any thread, and does not wait."""
        with self._room.lock:
            if not self._inside and not self._over and self._room.free:
                self._room.free -= 1
                self._inside = True
            return self._inside

    async def wait(self) -> None:
        """Return inside."""
        while not self.enter():
            future = asyncio.get_running_loop().create_future()
            self._room.waiting.append(future)
            await future

    def leave(self) -> None:
        """Never to enter again; to be called in the event loop."""
        with self._room.lock:
            self._room.free += self._inside
            self._inside, self._over = False, True
        while self._room.waiting and self._room.free:
            future = self._room.waiting.popleft()
            if not future.done():
                future.set_result(None)
                break
