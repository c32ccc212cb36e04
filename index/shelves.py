"""The shelves of a collection: pictures of the rows in SQLite, kept equal to them."""

import logging
import sqlite3
from functools import partial
from pathlib import Path

import numpy as np

from index import building, reads, shelf_file, vector_file
from index.compressed import CompressedShelf
from index.durable import make_folder
from index.items import RowIds
from index.ranking import AnyShelf
from index.shelf import Shelf
from index.vector_file import VectorFile
from index.writes import Change

log = logging.getLogger(__name__)

LOAD_ROWS = 8192
"""Rows read from SQLite at a time while a shelf is rebuilt."""
SAVE_ROWS = 20_000
"""A shelf is saved after this many changed rows, or an eighth of it, whichever is more."""
GROWN = 2
"""A compressed shelf is built anew when it has grown to this many times the rows it was built of .."""
DEAD_SHARE = 4
""".. or when this part of it (a quarter) was deleted."""


class Shelves:
    """One shelf for every modality; none for a modality without rows.

    Up to `flat_limit` rows a shelf is flat, with more it is compressed, see `misfits`.

    Not locked: reading may run together, everything that changes a shelf must run alone.
    """

    def __init__(self, folder: Path, dimension: int, flat_limit: int) -> None:
        self._folder = folder
        self._dimension = dimension
        self._flat_limit = flat_limit
        self._shelves: dict[str, AnyShelf] = {}
        self._unsaved: dict[str, int] = {}
        self.stale: set[str] = set()
        make_folder(folder)

    def open(self, connection: sqlite3.Connection) -> None:
        """Load every shelf from its file, or from SQLite where that is not possible."""
        for modality, generation in reads.generations(connection).items():
            self._shelves[modality] = self._load(connection, modality, generation)
        self._sweep()

    def get(self, modality: str) -> AnyShelf | None:
        return self._shelves.get(modality)

    def lengths(self) -> dict[str, int]:
        """Give the number of vectors by modality, without the empty ones."""
        return {name: len(shelf) for name, shelf in sorted(self._shelves.items()) if len(shelf)}

    def apply(self, change: Change) -> None:
        """Follow a committed change. If this fails, the shelves concerned are stale until rebuilt."""
        self.stale |= change.modalities
        for modality, rows in change.removed.items():
            self._shelf(modality).remove(rows)
            self._count(modality, len(rows))
        for modality, (rows, vectors) in change.added.items():
            self._shelf(modality).add(rows, vectors, change.owners[modality])
            self._count(modality, len(rows))
        self.stale -= change.modalities

    def rebuild_stale(self, connection: sqlite3.Connection) -> None:
        for modality in sorted(self.stale):
            log.warning("rebuilding the %s shelf in %s: it fell behind its rows", modality, self._folder)
            self._take(modality, self._rebuilt(connection, modality))
            self._count(modality, len(self._shelves[modality]))
            self.stale.discard(modality)

    def due(self) -> list[str]:
        """Give the modalities whose files are so far behind that replaying them would take long."""
        return [
            modality
            for modality, changed in self._unsaved.items()
            if changed >= max(SAVE_ROWS, len(self._shelf(modality)) // 8)
        ]

    def unsaved(self) -> list[str]:
        return [modality for modality, changed in self._unsaved.items() if changed]

    def compact(self, modality: str) -> None:
        self._shelf(modality).compact()

    def save(self, modality: str, generation: int) -> None:
        """Write a compacted shelf to its file; a failure is only logged, as the file only saves time."""
        try:
            shelf_file.save(self._shelf(modality), self._path(modality), generation)
        except (OSError, RuntimeError):
            log.warning("could not save the %s shelf in %s", modality, self._folder, exc_info=True)
        else:
            self._unsaved[modality] = 0

    def misfits(self) -> list[str]:
        """Give the modalities whose shelves should be built anew, see `build`; may be asked at any time."""
        return [modality for modality, shelf in list(self._shelves.items()) if self._misfits(shelf)]

    def build(self, modality: str, rows: RowIds, present: building.Present) -> AnyShelf:
        """Make another shelf of `rows` without touching the present one: flat, if it was shrunk to half."""
        compressed = isinstance(self.get(modality), CompressedShelf)
        if len(rows) > self._flat_limit // (2 if compressed else 1):
            self._folder.mkdir(exist_ok=True)
            file = VectorFile.new(self._folder, modality, self._dimension)
            try:
                return building.build(rows, present, file)
            except building.NothingToBuildError:
                file.remove()
            except BaseException:
                file.remove()
                raise
        shelf = Shelf(self._dimension)
        for start in range(0, len(rows), LOAD_ROWS):
            some, vectors = present(rows[start : start + LOAD_ROWS])
            shelf.add(some, vectors, np.zeros_like(some))
        return shelf

    def replay(self, connection: sqlite3.Connection, modality: str, shelf: AnyShelf) -> int:
        """Bring an older shelf up to date: rows never change, so only their numbers matter. Says how many."""
        there = shelf.rows()
        wanted, owners = reads.row_owners(connection, modality)
        gone, new = np.setdiff1d(there, wanted), np.setdiff1d(wanted, there)
        if len(gone):
            shelf.remove(gone)
        for start in range(0, len(new), LOAD_ROWS):
            some = new[start : start + LOAD_ROWS]
            shelf.add(some, reads.vectors_of(connection, some, self._dimension), np.zeros_like(some))
        shelf.places.own(wanted, owners)
        return len(gone) + len(new)

    def put(self, modality: str, shelf: AnyShelf) -> None:
        """Let a shelf that was built and replayed take the place of the present one."""
        before = self._shelves[modality].structure
        log.info("the %s shelf in %s: %s, was %s", modality, self._folder, shelf.structure, before)
        self._take(modality, shelf)
        self._count(modality, len(shelf))
        self.stale.discard(modality)

    def discard(self, modality: str, shelf: AnyShelf) -> None:
        """Remove what a shelf has on disk that did not come to stand here."""
        if self.get(modality) is not shelf and isinstance(shelf, CompressedShelf):
            shelf.file.remove()

    def close(self) -> None:
        """Let go of all files."""
        for shelf in self._shelves.values():
            shelf.close()

    def _take(self, modality: str, shelf: AnyShelf) -> None:
        before = self._shelves.get(modality)
        self._shelves[modality] = shelf
        if isinstance(before, CompressedShelf):
            before.file.remove()

    def _sweep(self) -> None:
        """Remove the files of shelves that were not finished or whose places were taken."""
        used = {shelf.file.path for shelf in self._shelves.values() if isinstance(shelf, CompressedShelf)}
        for path in self._folder.glob(f"*{vector_file.SUFFIX}"):
            if path not in used:
                path.unlink(missing_ok=True)

    def _misfits(self, shelf: AnyShelf) -> bool:
        if isinstance(shelf, CompressedShelf):
            return (
                len(shelf) > GROWN * shelf.built
                or shelf.dead * DEAD_SHARE > len(shelf) + shelf.dead
                or len(shelf) <= self._flat_limit // 2
            )
        return len(shelf) > self._flat_limit

    def _load(self, connection: sqlite3.Connection, modality: str, generation: int) -> AnyShelf:
        try:
            shelf, saved = shelf_file.load(self._path(modality), self._dimension, generation)
        except shelf_file.UnusableShelfError as reason:
            level = logging.INFO if isinstance(reason, shelf_file.MissingShelfError) else logging.WARNING
            log.log(level, "rebuilding the %s shelf in %s from SQLite: %s", modality, self._folder, reason)
            shelf = self._rebuilt(connection, modality)
            self._unsaved[modality] = max(len(shelf), 1)
            return shelf
        if isinstance(shelf, CompressedShelf):
            self._complete(connection, shelf)
        changed = self.replay(connection, modality, shelf)
        if saved != generation:
            self._unsaved[modality] = max(changed, 1)
        return shelf

    def _complete(self, connection: sqlite3.Connection, shelf: CompressedShelf) -> None:
        """Write from SQLite what the file of vectors lacks, in a backup all of it."""
        for start in range(len(shelf.file), len(shelf.places), LOAD_ROWS):
            rows = shelf.places.rows[start : start + LOAD_ROWS]
            there, vectors = reads.present_vectors(connection, rows, self._dimension)
            block = np.zeros((len(rows), self._dimension), dtype=np.float32)
            block[np.searchsorted(rows, there)] = vectors
            shelf.file.write(start, block)

    def _rebuilt(self, connection: sqlite3.Connection, modality: str) -> AnyShelf:
        present = partial(reads.present_vectors, connection, dimension=self._dimension)
        rows, owners = reads.row_owners(connection, modality)
        shelf = self.build(modality, rows, present)
        shelf.places.own(rows, owners)
        return shelf

    def _shelf(self, modality: str) -> AnyShelf:
        return self._shelves.setdefault(modality, Shelf(self._dimension))

    def _count(self, modality: str, rows: int) -> None:
        self._unsaved[modality] = self._unsaved.get(modality, 0) + rows

    def _path(self, modality: str) -> Path:
        return self._folder / f"{modality}.faiss"
