"""The tables of a collection and what is set on every connection."""

import sqlite3
from pathlib import Path
from zlib import crc32

from index import errors

VERSION = 3
MIGRATIONS = {2: "ALTER TABLE items ADD COLUMN params TEXT"}
"""What brings a database of an earlier layout up to the next one."""

# AUTOINCREMENT never gives a number twice: a saved FAISS file cannot confuse an old row with a new one. A row
# is never changed, only added and deleted, so a shelf is told apart from the truth by its row numbers alone.
# The vector stands last: SQLite reads the columns before it without reading it. A checksum is the crc32 of
# the row's vector or of what the item says: SQLite itself would not notice a bit that flipped in them.
TABLES = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE items (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    modality TEXT NOT NULL,
    metadata TEXT NOT NULL,
    checksum INTEGER NOT NULL,
    media TEXT,
    media_type TEXT,
    created_us INTEGER NOT NULL,
    params TEXT
);
CREATE INDEX items_by_modality ON items (modality, seq);
CREATE INDEX items_by_media ON items (media) WHERE media IS NOT NULL;
CREATE TABLE rows (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    item INTEGER NOT NULL REFERENCES items (seq),
    start_s REAL,
    end_s REAL,
    checksum INTEGER NOT NULL,
    vector BLOB NOT NULL
);
CREATE INDEX rows_by_item ON rows (item);
CREATE TABLE shelves (modality TEXT PRIMARY KEY, generation INTEGER NOT NULL) WITHOUT ROWID;
"""


ITEM_CHECKSUM = (
    "crc32(items.id || items.modality || items.metadata || coalesce(items.media, '') || "
    "coalesce(items.params, ''))"
)
ROW_CHECKSUM = "crc32(rows.vector)"


def _checksum(value: str | bytes) -> int:
    return crc32(value.encode() if isinstance(value, str) else value)


def connect(path: Path) -> sqlite3.Connection:
    """Open a connection without implicit transactions; commits are synced to the disk.

    Raises:
        errors.Damaged: the file is missing or no database.
        errors.OtherLayout: it was written by a version of Sensorium that this one does not know.
    """
    connection = None
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=30,
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.create_function("crc32", 1, _checksum, deterministic=True)
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    except sqlite3.DatabaseError as error:
        if connection is not None:
            connection.close()
        raise errors.Damaged(f"{path} cannot be read: {error}") from error
    if version != VERSION and version not in MIGRATIONS:
        connection.close()
        known = ", ".join(map(str, (*MIGRATIONS, VERSION)))
        raise errors.OtherLayout(f"{path} has layout {version}, this version of Sensorium reads {known}")
    return connection


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the database up to the present layout in one transaction."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in range(version, VERSION):
            connection.execute(MIGRATIONS[step])
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise


def make(path: Path, facts: dict[str, str | int | float]) -> None:
    """Write a new database without items."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.executescript(TABLES)
        connection.executemany("INSERT INTO facts VALUES (?, ?)", facts.items())
        connection.execute(f"PRAGMA user_version = {VERSION}")
    finally:
        connection.close()
