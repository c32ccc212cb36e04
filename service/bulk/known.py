"""What a collection holds already, so that nothing is stored twice: the collection itself is the journal.

Every item that an ingest stores carries its source and fingerprint in the metadata. They are read once at the
start, into a table that spills to a nameless temporary file when it outgrows memory.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from itertools import islice

PAGE = 1000
Mark = tuple[str, str, str, str]


class Known:
    """`rows`: (id, source, fingerprint, file) of the items there are."""

    def __init__(self, rows: Iterable[Mark]) -> None:
        self._table = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._table.execute("PRAGMA journal_mode = OFF")
        self._table.execute(
            "CREATE TABLE known "
            "(id TEXT PRIMARY KEY, source TEXT, print TEXT, file TEXT, seen INTEGER) WITHOUT ROWID"
        )
        rows = iter(rows)
        while page := list(islice(rows, PAGE)):
            self._table.execute("BEGIN")
            self._table.executemany("INSERT OR REPLACE INTO known VALUES (?, ?, ?, ?, 0)", page)
            self._table.execute("COMMIT")

    def meet(self, identifier: str) -> tuple[str | None, str, bool]:
        """(source, fingerprint, met before) of an id that is met in this run; source None: not there."""
        row = self._table.execute(
            "SELECT source, print, seen FROM known WHERE id = ?", (identifier,)
        ).fetchone()
        if row is None:
            self._table.execute("INSERT INTO known VALUES (?, NULL, '', '', 1)", (identifier,))
            return None, "", False
        source, print_, seen = row
        if not seen:
            self._table.execute("UPDATE known SET seen = 1 WHERE id = ?", (identifier,))
        return source, print_, bool(seen)

    def missing(self, source: str) -> Iterator[list[tuple[str, str]]]:
        """(id, file) of this source that were not met, in pages."""
        found = self._table.execute("SELECT id, file FROM known WHERE source = ? AND seen = 0", (source,))
        while page := found.fetchmany(PAGE):
            yield page

    def close(self) -> None:
        self._table.close()
