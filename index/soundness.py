"""Is a collection's database what was written? Bits flip on disks, and SQLite alone does not notice all."""

import errno
import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from time import perf_counter

from index import errors
from index.database import Database
from index.errors import shown
from index.schema import ITEM_CHECKSUM, ROW_CHECKSUM

log = logging.getLogger(__name__)

WORK_S, REST = 0.005, 4
"""A check in the background works so long [s], then rests so many times as long."""
STEPS = 200
"""SQLite's steps, each a few for a row, between two looks at the clock."""

_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_UNDECODABLE = "Could not decode to UTF-8"

_ALTERED_ITEM = f"SELECT id FROM items WHERE {ITEM_CHECKSUM} <> checksum LIMIT 1"  # noqa: S608 - a constant
_ALTERED_ROW = (
    "SELECT id FROM rows LEFT JOIN items ON seq = item WHERE "  # noqa: S608 - a constant
    f"{ROW_CHECKSUM} <> rows.checksum LIMIT 1"
)


def remedy(path: Path) -> str:
    """Say what can be done about a damaged database."""
    return f"restore {path} from a backup, or delete the collection"


def is_damage(error: sqlite3.Error) -> bool:
    """Say whether SQLite complains of the file rather than of what was asked, the disk or a lock."""
    code = getattr(error, "sqlite_errorcode", None)
    return (code is not None and code & 0xFF in _DAMAGE) or str(error).startswith(_UNDECODABLE)


def is_full(error: Exception) -> bool:
    """Say whether the disk had no room."""
    full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    return full or getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def full_disk_told(what: str) -> Iterator[None]:
    """Turn the errors of a full disk into one that says that `what` happened, and why.

    Raises:
        errors.StorageFull: the disk has no room.
    """
    try:
        yield
    except (sqlite3.OperationalError, OSError) as error:
        if is_full(error):
            raise errors.StorageFull(f"{what}, the disk is full: make room, then try again") from error
        raise


def check(connection: sqlite3.Connection) -> None:
    """Read the whole database.

    Raises:
        errors.Damaged: a page, a vector or an item's metadata is not what was written.
    """
    try:
        (told,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        if told != "ok":
            raise errors.Damaged(str(told))
        for question in (_ALTERED_ITEM, _ALTERED_ROW):
            if altered := connection.execute(question).fetchone():
                raise errors.Damaged(f"the item {shown(altered[0])} is not what was stored")
    except sqlite3.DatabaseError as error:
        if is_damage(error):
            raise errors.Damaged(str(error)) from error
        raise


class Watch:
    """One check in the background, for databases that take too long to read before the start."""

    def __init__(self, database: Database, damaged: Callable[[errors.Damaged], object]) -> None:
        self._database = database
        self._damaged = damaged
        self._connection: sqlite3.Connection | None = None
        self._stopped = Event()
        self._rested = 0.0
        self._thread = Thread(target=self._run, name="soundness")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Break the check off and wait for its end."""
        self._stopped.set()
        while self._thread.is_alive():
            if self._connection is not None:
                self._connection.interrupt()
            self._thread.join(0.05)

    def _run(self) -> None:
        try:
            with self._database.reading() as connection:
                self._check(connection)
        except errors.Damaged as damage:
            self._damaged(damage)
        except sqlite3.Error:
            if not self._stopped.is_set():
                log.exception("a database could not be checked")

    def _check(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._rested = perf_counter()
        connection.set_progress_handler(self._rest, STEPS)
        try:
            if not self._stopped.is_set():
                check(connection)
        finally:
            self._connection = None
            connection.set_progress_handler(None, 0)

    def _rest(self) -> bool:
        """Leave the machine to those who search, most of the time; says whether to break off."""
        worked = perf_counter() - self._rested
        if worked > WORK_S:
            self._stopped.wait(REST * worked)
            self._rested = perf_counter()
        return self._stopped.is_set()
