"""One writing connection and as many reading ones as there are readers at a time."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from index import schema


class Database:
    """The SQLite file of a collection. Readers see the last committed state for as long as they read."""

    def __init__(self, path: Path) -> None:
        self.writer = schema.connect(path)
        self._path = path
        self._lock = Lock()
        self._idle: list[sqlite3.Connection] = []
        self._closed = False

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
        self.writer.execute("COMMIT")

    def rollback(self) -> None:
        self.writer.rollback()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in [*idle, self.writer]:
            connection.close()

    def _borrow(self) -> sqlite3.Connection:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        connection = schema.connect(self._path)
        connection.execute("PRAGMA query_only = ON")
        return connection

    def _give_back(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(connection)
                return
        connection.close()
