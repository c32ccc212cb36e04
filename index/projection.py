"""Maps of a collection: its items as points in the plane, made in the background and kept.

First the two largest principal components, in which the gap between modalities shows; then, from there, a
layout of neighbourhoods (`projection_layout`). A map belongs to one generation of the collection. While a
newer one is being made the older is given, without the items that are gone.
"""

import logging
import os
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from sqlite3 import Connection

import faiss
import numpy as np
from numpy.typing import NDArray

from index import errors, projection_reads, reads
from index.growth import StoppedError, give_memory_back
from index.items import Items, Vector
from index.projection_layout import arranged, framed
from index.projection_neighbours import drawn_neighbours
from index.projection_sample import coordinates, shown

log = logging.getLogger(__name__)

FEWEST = 32
"""Fewer points have no neighbourhoods to speak of; their principal components are the map."""
SOON = 3_000
"""Up to so many points the layout is there before anyone would see anything else."""
KEPT = 2
NICENESS = 15

_one_at_a_time = threading.Lock()


@dataclass(frozen=True, eq=False)
class Map:
    """Items in the plane: `places` in [-1, 1], (n, 2), `modality` an index into `modalities`, (n,).

    `total`: how many items there were when it was made. `method`: "pca" or "umap". `fresh`: nothing newer or
    better is being made.
    """

    places: Vector
    modality: NDArray[np.uint8]
    modalities: tuple[str, ...]
    ids: list[str]
    items: Items
    total: int
    generation: str
    method: str
    fresh: bool


def plane(points: Vector) -> Vector:
    """Give the first two coordinates of points, shape (n, any), in [-1, 1]; missing ones are 0."""
    padded = np.pad(points, ((0, 0), (0, max(0, 2 - points.shape[1]))))
    return framed(padded[:, :2])


def without_gone(kept: Map, connection: Connection) -> Map:
    """Leave out the points whose items are not there any more."""
    there = np.isin(kept.items, projection_reads.there(connection, kept.items))
    if there.all():
        return kept
    ids = [identifier for identifier, still in zip(kept.ids, there.tolist(), strict=True) if still]
    return replace(
        kept, places=kept.places[there], modality=kept.modality[there], ids=ids, items=kept.items[there]
    )


class Maps:
    """The maps of one collection; a thread of low priority makes them, one at a time in the process.

    `snapshot` lends a connection that sees one state of the collection.
    """

    def __init__(self, snapshot: Callable[[], AbstractContextManager[Connection]], dimension: int) -> None:
        self._snapshot = snapshot
        self._dimension = dimension
        self._changed = threading.Condition(threading.RLock())
        self._kept: dict[int, Map] = {}
        self._failed: dict[int, Exception] = {}
        self._wanted: list[int] = []
        self._thread: threading.Thread | None = None
        self._stopped = False

    def latest(self, limit: int) -> Map:
        """Give what there is for up to `limit` points, and have a newer or better one made if there can be.

        The first time it waits for the first that can be shown.

        Raises:
            errors.Closed: the collection was closed meanwhile.
        """
        with self._snapshot() as connection:
            generation = projection_reads.generation(connection)
            with self._changed:
                kept = self._kept.get(limit)
            if kept is not None and kept.generation != generation:
                kept = replace(without_gone(kept, connection), fresh=False)
        if kept is None or not kept.fresh:
            self._want(limit)
        return kept or self._first(limit)

    def wait(self) -> None:
        """Return when no map is being made any more."""
        while (thread := self._thread) is not None:
            thread.join()

    def stop(self) -> None:
        """Make no more maps and wait for the end of what is being done."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _want(self, limit: int) -> None:
        with self._changed:
            if limit not in self._wanted:
                self._wanted.append(limit)
            if self._thread is None and not self._stopped:
                self._thread = threading.Thread(target=self._run, name="maps")
                self._thread.start()

    def _first(self, limit: int) -> Map:
        with self._changed:
            while not self._stopped:
                if limit in self._kept:
                    return self._kept[limit]
                if limit in self._failed:
                    raise self._failed.pop(limit)
                self._want(limit)
                self._changed.wait()
        raise errors.Closed("the collection was closed or dropped")

    def _run(self) -> None:
        if sys.platform == "linux":
            # There, and only there, a thread has a priority of its own.
            with suppress(OSError):  # where the whole process is nicer already, or a sandbox forbids it
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        faiss.omp_set_num_threads(max(1, (os.cpu_count() or 1) // 2))
        while (limit := self._next()) is not None:
            try:
                while not _one_at_a_time.acquire(timeout=0.1):
                    self._check()
                try:
                    self._make(limit)
                finally:
                    _one_at_a_time.release()
                    give_memory_back()
            except StoppedError:
                log.info("the making of a map was stopped")
            except Exception as error:
                log.exception("a map could not be made")
                self._fail(limit, error)

    def _next(self) -> int | None:
        with self._changed:
            if self._stopped or not self._wanted:
                self._thread = None
                return None
            return self._wanted[0]

    def _make(self, limit: int) -> None:
        with self._snapshot() as connection:
            generation = projection_reads.generation(connection)
            chosen = shown(connection, limit)
            points = coordinates(connection, chosen.items, self._dimension, self._check)
            ids = reads.ids(connection, chosen.items.tolist())
        last = len(points) < FEWEST
        first = Map(
            plane(points),
            chosen.modality,
            chosen.modalities,
            [ids[item] for item in chosen.items.tolist()],
            chosen.items,
            chosen.total,
            generation,
            "pca",
            last,
        )
        if last or (len(points) > SOON and limit not in self._kept):
            self._keep(limit, first, last=last)
        if not last:
            places = framed(arranged(points[:, :2], drawn_neighbours(points), self._check))
            self._keep(limit, replace(first, places=places, method="umap", fresh=True), last=True)

    def _keep(self, limit: int, made: Map, *, last: bool) -> None:
        with self._changed:
            self._kept.pop(limit, None)
            self._kept = dict([*self._kept.items()][1 - KEPT :]) | {limit: made}
            if last:
                self._wanted.remove(limit)
            self._changed.notify_all()

    def _fail(self, limit: int, error: Exception) -> None:
        """Tell whoever waits; where there is something to show, it stays."""
        with self._changed:
            self._wanted.remove(limit)
            if limit in self._kept:
                self._kept[limit] = replace(self._kept[limit], fresh=True)
            else:
                self._failed[limit] = error
            self._changed.notify_all()

    def _check(self) -> None:
        if self._stopped:
            raise StoppedError
