"""What is read from the tables, each in the read transaction it is handed."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zlib import crc32

import numpy as np

from index import errors
from index.errors import shown
from index.filters import Filter
from index.items import Items, Metadata, RowIds, Segment, StoredItem, Vector
from index.needles import MOST

_ITEM = "SELECT seq, id, modality, metadata, created_us FROM items WHERE id = ?"
_PAGE = "SELECT seq, id, modality, metadata, created_us FROM items WHERE seq > ? ORDER BY seq LIMIT ?"
_MODALITY_PAGE = (
    "SELECT seq, id, modality, metadata, created_us FROM items "
    "WHERE modality = ? AND seq > ? ORDER BY seq LIMIT ?"
)

_CANDIDATES = (
    "SELECT seq, metadata FROM items WHERE instr(metadata, ?) AND instr(metadata, ?) "
    "AND instr(metadata, ?) AND instr(metadata, ?)"
)
_json = json.JSONDecoder().raw_decode
"""Stored JSON has no spaces around it, which makes this faster than `json.loads`."""
_OWNED = np.dtype([("row", np.int64), ("item", np.int64)])


@dataclass(frozen=True, slots=True)
class Told:
    """What SQLite says of a row and its item; `metadata` as JSON, `checksum` that of the row's vector."""

    id: str
    metadata: str
    segment: Segment | None
    checksum: int


def facts(connection: sqlite3.Connection) -> dict[str, Any]:
    return dict(connection.execute("SELECT name, value FROM facts").fetchall())


def time_of(microseconds: int) -> datetime:
    return datetime.fromtimestamp(microseconds / 1e6, UTC)


def item(connection: sqlite3.Connection, identifier: str, *, with_vector: bool) -> StoredItem:
    """Read one item.

    Raises:
        errors.UnknownItem: there is none of this id.
    """
    found = connection.execute(_ITEM, (identifier,)).fetchall()
    if not found:
        raise unknown(identifier)
    return _stored(connection, found, with_vector=with_vector)[0]


def page(
    connection: sqlite3.Connection, after: int, limit: int, modality: str | None, *, with_vector: bool
) -> tuple[list[StoredItem], int | None]:
    """Read up to `limit` items behind number `after`, and the number to go on from if there are more."""
    place = (after, limit + 1)
    if modality is None:
        found = connection.execute(_PAGE, place).fetchall()
    else:
        found = connection.execute(_MODALITY_PAGE, (modality, *place)).fetchall()
    items = _stored(connection, found[:limit], with_vector=with_vector)
    return items, (found[limit - 1][0] if len(found) > limit else None)


def vectors(connection: sqlite3.Connection, identifier: str) -> tuple[str, Vector]:
    """Read the modality of an item and its unit vectors, shape (rows, dim)."""
    found = connection.execute(
        "SELECT modality, vector FROM items JOIN rows ON item = seq WHERE id = ? ORDER BY row", (identifier,)
    ).fetchall()
    if not found:
        raise unknown(identifier)
    return found[0][0], np.stack([_vector(blob) for _, blob in found])


def media(connection: sqlite3.Connection, identifier: str) -> tuple[str | None, str | None]:
    """Read the name and the type of an item's media, None where it has none."""
    found: tuple[str | None, str | None] | None = connection.execute(
        "SELECT media, media_type FROM items WHERE id = ?", (identifier,)
    ).fetchone()
    if found is None:
        raise unknown(identifier)
    return found


def media_names(connection: sqlite3.Connection, among: Iterable[str] | None = None) -> set[str]:
    """Read which media files items name, all or those `among` the given."""
    query = "SELECT DISTINCT media FROM items WHERE media IS NOT NULL"
    if among is None:
        return {name for (name,) in connection.execute(query)}
    query += " AND media IN (SELECT value FROM json_each(?))"
    return {name for (name,) in connection.execute(query, (json.dumps(list(among)),))}


def counts(connection: sqlite3.Connection) -> dict[str, int]:
    return dict(connection.execute("SELECT modality, COUNT(*) FROM items GROUP BY modality").fetchall())


def generations(connection: sqlite3.Connection) -> dict[str, int]:
    return dict(connection.execute("SELECT modality, generation FROM shelves").fetchall())


def row_owners(connection: sqlite3.Connection, modality: str) -> tuple[RowIds, Items]:
    """Read the row numbers of a shelf, ascending, and whose they are, both (n,); only indices are read."""
    found = connection.execute(
        "SELECT row, item FROM items JOIN rows ON item = seq WHERE modality = ?", (modality,)
    )
    pairs = np.sort(np.fromiter(found, dtype=_OWNED), order="row")
    return np.ascontiguousarray(pairs["row"]), np.ascontiguousarray(pairs["item"])


def rows_of(connection: sqlite3.Connection, ids: Iterable[str]) -> RowIds:
    """Read the row numbers of the items with these ids; ids that are not there have none."""
    found = connection.execute(
        "SELECT row FROM json_each(?) JOIN items ON items.id = value JOIN rows ON item = seq",
        (json.dumps(list(ids)),),
    )
    return _ids(row for (row,) in found)


def seqs_where(connection: sqlite3.Connection, holds: Filter) -> list[int]:
    """Read the sequence numbers of items whose metadata passes the filter."""
    pieces = (*holds.needles, *[""] * (MOST - len(holds.needles)))
    found = connection.execute(_CANDIDATES, pieces)
    return [seq for seq, metadata in found if holds(json.loads(metadata))]


def top_item(connection: sqlite3.Connection) -> int:
    """Read the highest item number there is, 0 where there is none."""
    (found,) = connection.execute("SELECT max(seq) FROM items").fetchone()
    return found or 0


def metadatas(connection: sqlite3.Connection) -> Iterator[tuple[int, Metadata]]:
    """Read the number and the metadata of every item."""
    for seq, metadata in connection.execute("SELECT seq, metadata FROM items"):
        yield seq, _json(metadata)[0]


def ids(connection: sqlite3.Connection, items: Sequence[int]) -> dict[int, str]:
    """Read the ids of the items with these numbers."""
    return dict(
        connection.execute(
            "SELECT seq, items.id FROM json_each(?) JOIN items ON seq = value", (json.dumps(list(items)),)
        ).fetchall()
    )


def told(connection: sqlite3.Connection, rows: Sequence[int]) -> dict[int, Told]:
    """Read what hits show of these rows, all but the vectors.

    Raises:
        errors.Damaged: one of the items is not what was stored.
    """
    found = connection.execute(
        "SELECT row, start_s, end_s, rows.checksum, items.checksum, items.id, metadata, "
        "modality, coalesce(media, ''), coalesce(params, '') "
        "FROM json_each(?) JOIN rows ON row = value JOIN items ON seq = item",
        (json.dumps(list(rows)),),
    ).fetchall()
    for *_, checksum, identifier, metadata, modality, media_name, params in found:
        # As ITEM_CHECKSUM, which calls back from SQLite for every row.
        if crc32(f"{identifier}{modality}{metadata}{media_name}{params}".encode()) != checksum:
            raise errors.Damaged(f"the item {shown(identifier)} is not what was stored")
    return {
        row: Told(identifier, metadata, _segment(start, end), checksum)
        for row, start, end, checksum, _, identifier, metadata, *_ in found
    }


def vector_bytes(connection: sqlite3.Connection, row: int) -> bytes:
    """Read a row's vector as it is stored."""
    (found,) = connection.execute("SELECT vector FROM rows WHERE row = ?", (row,)).fetchone()
    return bytes(found)


def vectors_of(connection: sqlite3.Connection, rows: RowIds, dimension: int) -> Vector:
    """Read the vectors of these rows, in their order, shape (n, dim)."""
    found = dict(
        connection.execute(
            "SELECT row, vector FROM json_each(?) JOIN rows ON row = value", (json.dumps(rows.tolist()),)
        ).fetchall()
    )
    joined = b"".join(found[row] for row in rows.tolist())
    return np.frombuffer(joined, dtype="<f4").astype(np.float32).reshape(-1, dimension)


def present_vectors(connection: sqlite3.Connection, rows: RowIds, dimension: int) -> tuple[RowIds, Vector]:
    """Read those of the rows that are there, ascending, with their vectors, shape (n, dim)."""
    found = connection.execute(
        "SELECT row, vector FROM json_each(?) JOIN rows ON row = value ORDER BY row",
        (json.dumps(rows.tolist()),),
    ).fetchall()
    vectors = np.frombuffer(b"".join(blob for _, blob in found), dtype="<f4").astype(np.float32)
    return _ids(row for row, _ in found), vectors.reshape(-1, dimension)


def unknown(identifier: str) -> errors.UnknownItem:
    return errors.UnknownItem(f"there is no item {shown(identifier)} in this collection")


def _stored(
    connection: sqlite3.Connection, found: Sequence[tuple[int, str, str, str, int]], *, with_vector: bool
) -> list[StoredItem]:
    segments: dict[int, list[Segment | None]] = {seq: [] for seq, *_ in found}
    vectors: dict[int, list[Vector]] = {seq: [] for seq, *_ in found}
    for seq, start, end, vector in connection.execute(
        "SELECT item, start_s, end_s, CASE WHEN ? THEN vector END "
        "FROM json_each(?) JOIN rows ON item = value ORDER BY row",
        (with_vector, json.dumps(list(segments))),
    ):
        segments[seq].append(_segment(start, end))
        vectors[seq].extend([_vector(vector)] if with_vector else [])
    return [
        StoredItem(
            identifier,
            modality,
            json.loads(metadata),
            time_of(created_us),
            tuple(segments[seq]),
            _whole(segments[seq], vectors[seq]) if with_vector else None,
        )
        for seq, identifier, modality, metadata, created_us in found
    ]


def _whole(segments: Sequence[Segment | None], vectors: list[Vector]) -> Vector:
    """Give the one vector that is of no segment; where there is none, or several, the mean of all."""
    wholes = [vector for segment, vector in zip(segments, vectors, strict=True) if segment is None]
    return wholes[0] if len(wholes) == 1 else _mean(vectors)


def _mean(vectors: list[Vector]) -> Vector:
    """Give the unit mean of unit vectors; where they cancel out, the first."""
    mean = np.stack(vectors).mean(axis=0, dtype=np.float64)
    length = np.linalg.norm(mean)
    if len(vectors) == 1 or length < 1e-6:
        return vectors[0]
    unit: Vector = (mean / length).astype(np.float32)
    return unit


def _segment(start: float | None, end: float | None) -> Segment | None:
    return None if start is None or end is None else Segment(start, end)


def _vector(blob: bytes) -> Vector:
    return np.frombuffer(blob, dtype="<f4").astype(np.float32)


def _ids(numbers: Iterable[int]) -> RowIds:
    return np.fromiter(numbers, dtype=np.int64)
