"""A collection that gets the vectors of another model, its items staying what they are.

The new vectors grow in a database beside the present one and take its place at once, when all are there.
Until then nothing of the present one changes; what is there after a kill is gone on from.
"""

import json
import logging
import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from index import errors, media, reads, schema, soundness, towers, validation
from index.backup import COLLECTIONS, DATABASE, MEDIA, SHELVES, is_collection
from index.database import Database
from index.durable import lock_folder, sync_folder
from index.items import Row, Segment

log = logging.getLogger(__name__)

GROWING = "reembedding.sqlite"

_SAME = " AND ".join(
    f"old.{column} IS new.{column}"
    for column in ("seq", "id", "modality", "metadata", "media", "media_type", "created_us", "params")
)
_CHANGED = f"SELECT seq FROM items AS new WHERE NOT EXISTS (SELECT 1 FROM old.items AS old WHERE {_SAME})"  # noqa: S608 - constants
_PENDING = (
    "SELECT seq, id, modality, media, params, "
    "(SELECT json_group_array(json_array(start_s, end_s)) FROM "
    "(SELECT start_s, end_s FROM old.rows WHERE item = seq ORDER BY row)) "
    "FROM old.items AS old WHERE seq > ? AND NOT EXISTS (SELECT 1 FROM items AS new WHERE new.seq = old.seq) "
    "ORDER BY seq LIMIT ?"
)


@dataclass(frozen=True)
class Source:
    """What an item was made of: `path` of its media (None where none were kept), what the decoder was told.

    `segments`: what its vectors are of, in their order; None is the whole.
    """

    seq: int
    id: str
    modality: str
    path: Path | None
    params: Mapping[str, Any]
    segments: tuple[Segment | None, ...]

    def media(self) -> bytes:
        """Read the media.

        Raises:
            errors.NoMedia: they were not kept, are gone or are not what was stored.
        """
        if self.path is None:
            raise errors.NoMedia(
                "its media were not kept: it was stored as a vector or as a blend, or without"
            )
        try:
            whole = media.is_whole(self.path)
            data = self.path.read_bytes()
        except OSError as error:
            raise errors.NoMedia(f"its media file {self.path} cannot be read: {error.strerror}") from error
        if not whole:
            raise errors.NoMedia(f"its media file {self.path} is not what was stored")
        return data


class Reembedding:
    """The work on one collection; made by `reembedding`."""

    def __init__(self, folder: Path, growing: sqlite3.Connection) -> None:
        self._folder = folder
        self._growing = growing
        self.finished = False

    def count(self) -> tuple[int, int]:
        """Give how many items there are, and how many of them have their new vectors."""
        (items,) = self._growing.execute("SELECT count(*) FROM old.items").fetchone()
        (done,) = self._growing.execute("SELECT count(*) FROM items").fetchone()
        return items, done

    def pending(self, count: int) -> Iterator[list[Source]]:
        """Give the items without new vectors, `count` at a time, each once, in the order of `page`."""
        after = 0
        while found := self._growing.execute(_PENDING, (after, count)).fetchall():
            after = found[-1][0]
            yield [self._source(*row) for row in found]

    def put(self, made: Sequence[tuple[Source, Sequence[Row]]]) -> None:
        """Store new vectors in place of each item's, in one transaction, durable on return."""
        dimension = int(reads.facts(self._growing)["dimension"])
        self._growing.execute("BEGIN IMMEDIATE")
        with _settled(self._growing):
            for source, rows in made:
                columns = "seq, id, modality, metadata, checksum, media, media_type, created_us, params"
                query = f"INSERT INTO items ({columns}) SELECT {columns} FROM old.items WHERE seq = ?"  # noqa: S608 - constants
                self._growing.execute(query, (source.seq,))
                self._growing.executemany(
                    "INSERT INTO rows (item, start_s, end_s, checksum, vector) "
                    "VALUES (?1, ?2, ?3, crc32(?4), ?4)",
                    [
                        (
                            source.seq,
                            row.segment and row.segment.start_s,
                            row.segment and row.segment.end_s,
                            validation.unit_vector(row.vector, dimension).astype("<f4").tobytes(),
                        )
                        for row in rows
                    ],
                )

    def finish(self) -> None:
        """Let what has new vectors be all that the collection holds."""
        self._growing.execute("BEGIN IMMEDIATE")
        with _settled(self._growing):
            # Numbers are never given twice, so a shelf of the old rows cannot pass for one of the new.
            self._growing.execute("DELETE FROM shelves")
            self._growing.execute(
                "INSERT INTO shelves SELECT modality, 1 + coalesce((SELECT generation "
                "FROM old.shelves AS old WHERE old.modality = items.modality), 0) "
                "FROM items GROUP BY modality"
            )
        soundness.check(self._growing)
        self.finished = True

    def _source(  # noqa: PLR0913, PLR0917 - the columns
        self, seq: int, identifier: str, modality: str, name: str | None, params: str | None, bounds: str
    ) -> Source:
        path = None if name is None else self._folder / MEDIA / name[:2] / name
        segments = tuple(None if start is None else Segment(start, end) for start, end in json.loads(bounds))
        return Source(seq, identifier, modality, path, json.loads(params or "{}"), segments)


@contextmanager
def reembedding(  # noqa: PLR0913 - the facts of the other model
    folder: Path, name: str, *, model: str, identity: str, dimension: int, bound: Mapping[str, str]
) -> Iterator[Reembedding | None]:
    """Lend the work on a collection of the data folder `folder`, None where its vectors are the model's.

    Leaving without an exception after `finish` puts the new vectors in place; otherwise what was done so far
    is kept for another time. `bound`: modality -> identity of its tower, see `Collection.upsert`.

    Raises:
        errors.Locked: a process has the folder open.
        errors.UnknownCollection: there is none of this name.
        errors.Damaged: its database is not what was written.
        errors.StorageFull: the disk has no room.
    """
    validation.collection_name(name)
    place = folder / COLLECTIONS / name
    if not is_collection(place):
        raise errors.UnknownCollection(f"there is no collection {name!r} in {folder}")
    with closing(lock_folder(folder)), _trouble_told(name, place / DATABASE):
        with closing(Database(place / DATABASE)) as present:
            present.check_complete()
            soundness.check(present.writer)
            facts = reads.facts(present.writer)
            known = towers.recorded(present.writer)
            if facts["identity"] == identity and all(
                known[sense] == bound.get(sense, known[sense]) for sense in known
            ):
                yield None
                return
        wanted = {key: value for key, value in facts.items() if not key.startswith(towers.PREFIX)}
        wanted |= {"model": model, "identity": identity, "dimension": dimension}
        wanted |= {towers.PREFIX + sense: tower for sense, tower in bound.items()}
        yield from _work(place, wanted)


def _work(place: Path, facts: dict[str, Any]) -> Iterator[Reembedding]:
    growing = _growing(place, facts)
    work = Reembedding(place, growing)
    try:
        yield work
    finally:
        growing.close()
    if work.finished:
        _put_in_place(place)


def _put_in_place(place: Path) -> None:
    """Exchange the databases at once; shelves are pictures of one of them and are made anew."""
    for database in (DATABASE, GROWING):
        if (place / f"{database}-wal").exists():
            raise errors.Locked(f"{place / database} is still in use by another process: try again")
    shutil.rmtree(place / SHELVES, ignore_errors=True)
    (place / GROWING).replace(place / DATABASE)
    sync_folder(place)


def _growing(place: Path, facts: dict[str, Any]) -> sqlite3.Connection:
    """Open what was begun for the same model, as far as the items are the same still, or begin anew."""
    path = place / GROWING
    try:
        connection = _attached(place)
        try:
            _check_begun(connection, facts)
        except BaseException:
            connection.close()
            raise
    except (errors.Damaged, sqlite3.DatabaseError) as reason:
        if path.exists():
            log.warning("beginning %s anew: %s", path, reason)
        for left in place.glob(f"{GROWING}*"):
            left.unlink()
        schema.make(path, facts)
        connection = _attached(place)
    connection.execute("BEGIN IMMEDIATE")
    with _settled(connection):
        connection.execute(f"DELETE FROM rows WHERE item IN ({_CHANGED})")  # noqa: S608 - a constant
        connection.execute(f"DELETE FROM items WHERE seq IN ({_CHANGED})")  # noqa: S608 - a constant
        connection.execute("DELETE FROM shelves")
        for table in ("items", "rows"):
            connection.execute(
                "INSERT INTO sqlite_sequence (name, seq) SELECT ?1, 0 WHERE NOT EXISTS "
                "(SELECT 1 FROM sqlite_sequence WHERE name = ?1)",
                (table,),
            )
            connection.execute(
                "UPDATE sqlite_sequence SET seq = max(seq, coalesce((SELECT seq FROM old.sqlite_sequence "
                "WHERE name = ?1), 0)) WHERE name = ?1",
                (table,),
            )
    return connection


def _check_begun(connection: sqlite3.Connection, facts: dict[str, Any]) -> None:
    if reads.facts(connection) != facts:
        raise errors.Damaged("it was begun for another model")
    soundness.check(connection)


def _attached(place: Path) -> sqlite3.Connection:
    connection = schema.connect(place / GROWING)
    schema.migrate(connection)
    connection.execute("ATTACH ? AS old", (f"{(place / DATABASE).absolute().as_uri()}?mode=rw",))
    return connection


@contextmanager
def _settled(connection: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise


@contextmanager
def _trouble_told(name: str, path: Path) -> Iterator[None]:
    try:
        with soundness.full_disk_told(f"the collection {name!r} is as it was"):
            yield
    except errors.OtherLayout:
        raise
    except errors.Damaged as damage:
        message = f"the collection {name!r} is damaged ({damage.message}): {soundness.remedy(path)}"
        raise errors.Damaged(message) from damage
