"""The changes of a transaction, and what the shelves and the media folder have to follow."""

import json
import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from index.items import Item, Items, Metadata, RowIds, Vector


@dataclass(frozen=True)
class Change:
    """What a transaction did: rows by modality, with vectors of shape (n, dim), and media to be removed.

    `owners` are the item numbers of the added rows, `metadata` what items have now by their numbers, {} the
    deleted ones.
    """

    items: int = 0
    removed: dict[str, RowIds] = field(default_factory=dict)
    added: dict[str, tuple[RowIds, Vector]] = field(default_factory=dict)
    media: frozenset[str] = frozenset()
    owners: dict[str, Items] = field(default_factory=dict)
    metadata: dict[int, Metadata] = field(default_factory=dict)

    @property
    def modalities(self) -> set[str]:
        return {*self.removed, *self.added}


def upsert(connection: sqlite3.Connection, items: Sequence[Item], media: Sequence[str | None]) -> Change:
    """Store `items`, whose media lie under the names `media`; an id that is there is replaced."""
    now = time.time_ns() // 1000
    ids = [item.id for item in items]
    before = _take_rows(connection, seqs_of(connection, ids))
    connection.executemany(
        "INSERT INTO items (id, modality, metadata, checksum, media, media_type, created_us, params) "
        "VALUES (?1, ?2, ?3, crc32(?1 || ?2 || ?3 || coalesce(?4, '') || coalesce(?7, '')), ?4, ?5, ?6, ?7) "
        "ON CONFLICT (id) DO UPDATE SET modality = excluded.modality, metadata = excluded.metadata, "
        "checksum = excluded.checksum, media = excluded.media, media_type = excluded.media_type, "
        "params = excluded.params",
        [
            (
                item.id,
                item.modality,
                json.dumps(item.metadata, ensure_ascii=False),
                name,
                item.media_type,
                now,
                json.dumps(dict(item.params), ensure_ascii=False) if item.params else None,
            )
            for item, name in zip(items, media, strict=True)
        ],
    )
    seqs = _seqs_by_id(connection, items)
    added, owners = _add_rows(connection, items, seqs)
    metadata = {seqs[item.id]: dict(item.metadata) for item in items}
    change = Change(len(items), before.removed, added, before.media - set(media), owners, metadata)
    _count_generation(connection, change)
    return change


def delete(connection: sqlite3.Connection, seqs: Sequence[int]) -> Change:
    """Delete the items with these sequence numbers."""
    before = _take_rows(connection, seqs)
    connection.execute("DELETE FROM items WHERE seq IN (SELECT value FROM json_each(?))", (_numbers(seqs),))
    change = Change(len(seqs), before.removed, {}, before.media, metadata={seq: {} for seq in seqs})
    _count_generation(connection, change)
    return change


def seqs_of(connection: sqlite3.Connection, ids: Sequence[str]) -> list[int]:
    """Give the sequence numbers of those ids that are there."""
    query = "SELECT seq FROM items WHERE id IN (SELECT value FROM json_each(?))"
    return [seq for (seq,) in connection.execute(query, (json.dumps(list(ids)),))]


def _take_rows(connection: sqlite3.Connection, seqs: Sequence[int]) -> Change:
    """Delete the rows of these items; say which they were and which media the items name."""
    chosen = (_numbers(seqs),)
    removed: dict[str, list[int]] = {}
    for modality, row in connection.execute(
        "SELECT modality, row FROM json_each(?) JOIN items ON seq = value JOIN rows ON item = seq", chosen
    ):
        removed.setdefault(modality, []).append(row)
    media = connection.execute(
        "SELECT media FROM json_each(?) JOIN items ON seq = value WHERE media IS NOT NULL", chosen
    )
    names = frozenset(name for (name,) in media)
    connection.execute("DELETE FROM rows WHERE item IN (SELECT value FROM json_each(?))", chosen)
    return Change(
        removed={name: np.array(rows, dtype=np.int64) for name, rows in removed.items()}, media=names
    )


def _seqs_by_id(connection: sqlite3.Connection, items: Sequence[Item]) -> dict[str, int]:
    return dict(
        connection.execute(
            "SELECT items.id, seq FROM json_each(?) JOIN items ON items.id = value",
            (json.dumps([item.id for item in items]),),
        ).fetchall()
    )


def _add_rows(
    connection: sqlite3.Connection, items: Sequence[Item], seqs: Mapping[str, int]
) -> tuple[dict[str, tuple[RowIds, Vector]], dict[str, Items]]:
    """Add the rows of stored items; gives them, and whose they are, by modality."""
    rows = [(item, row) for item in items for row in item.rows]
    first = _last_row(connection) + 1
    connection.executemany(
        "INSERT INTO rows (row, item, start_s, end_s, checksum, vector) "
        "VALUES (?1, ?2, ?3, ?4, crc32(?5), ?5)",
        [
            (
                first + i,
                seqs[item.id],
                row.segment and row.segment.start_s,
                row.segment and row.segment.end_s,
                row.vector.astype("<f4").tobytes(),
            )
            for i, (item, row) in enumerate(rows)
        ],
    )
    places: dict[str, list[int]] = {}
    for i, (item, _) in enumerate(rows):
        places.setdefault(item.modality, []).append(i)
    added = {
        modality: (np.array(where, dtype=np.int64) + first, np.stack([rows[i][1].vector for i in where]))
        for modality, where in places.items()
    }
    owners = {
        modality: np.array([seqs[rows[i][0].id] for i in where], dtype=np.int64)
        for modality, where in places.items()
    }
    return added, owners


def _last_row(connection: sqlite3.Connection) -> int:
    found = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'rows'").fetchone()
    return int(found[0]) if found else 0


def _count_generation(connection: sqlite3.Connection, change: Change) -> None:
    connection.executemany(
        "INSERT INTO shelves VALUES (?, 1) ON CONFLICT (modality) DO UPDATE SET generation = generation + 1",
        [(modality,) for modality in sorted(change.modalities)],
    )


def _numbers(seqs: Sequence[int]) -> str:
    return json.dumps(list(seqs))
