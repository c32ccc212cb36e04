"""One writing connection and as many reading ones as there are readers at a time."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from index import errors, schema
from index.high_water import HighWater

_CHANGES = "SELECT coalesce(sum(generation), 0) FROM shelves"

READER_KIB = 256
"""Pages that each reading connection keeps; the system's cache has them all."""


class Database:
    """The SQLite file of a collection. Readers see the last committed state for as long as they read."""

    def __init__(self, path: Path) -> None:
        self.writer = schema.connect(path)
        try:
            schema.migrate(self.writer)
            self._acknowledged = HighWater(path.with_name("acknowledged"))
        except BaseException:
            self.writer.close()
            raise
        self._path = path
        self._lock = Lock()
        self._idle: list[sqlite3.Connection] = []
        self._closed = False
        self._complete = False

    def check_complete(self) -> None:
        """Compare the number of changes with how many were acknowledged.

        Raises:
            errors.Damaged: some are missing.
        """
        (there,) = self.writer.execute(_CHANGES).fetchone()
        if there < (known := self._acknowledged.read()):
            raise errors.Damaged(
                f"{known - there} acknowledged changes are missing at the end of its write-ahead log; "
                f"without the file {self._acknowledged.path} it opens as it was before them"
            )
        self._complete = True

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection inside a read transaction; its first statement fixes the state it sees."""
        connection = self._borrow()
        try:
            connection.execute("BEGIN")
            yield connection
        finally:
            connection.rollback()
            self._give_back(connection)

    def begin(self) -> sqlite3.Connection:
        self.writer.execute("BEGIN IMMEDIATE")
        return self.writer

    def commit(self) -> None:
        """Make the open transaction durable."""
        (changes,) = self.writer.execute(_CHANGES).fetchone()
        self.writer.execute("COMMIT")
        self._acknowledged.write(changes)

    def rollback(self) -> None:
        self.writer.rollback()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in [*idle, self.writer]:
            connection.close()
        # Whoever closes last empties the log into the database and removes it.
        emptied = not self._path.with_name(f"{self._path.name}-wal").exists()
        self._acknowledged.close(forget=emptied and self._complete)

    def _borrow(self) -> sqlite3.Connection:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        connection = schema.connect(self._path)
        connection.execute("PRAGMA query_only = ON")
        connection.execute(f"PRAGMA cache_size = {-READER_KIB}")
        return connection

    def _give_back(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(connection)
                return
        connection.close()
