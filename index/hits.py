"""What is shown of rows that were found; those found lately are remembered."""

import json
from collections.abc import Sequence
from threading import Lock
from zlib import crc32

from index import errors, reads
from index.errors import shown
from index.items import Hit
from index.places import PictureError
from index.ranking import Candidate
from index.reads import Told
from index.state import Connect

REMEMBERED = 16_000_000
"""Characters of metadata and ids that are remembered, the oldest go first."""
_json = json.JSONDecoder().raw_decode
"""Stored JSON has no spaces around it, which makes this twice as fast as `json.loads`."""
ENTRY = 400
"""Bytes that an entry takes beside its characters."""


class Hits:
    """Candidates become hits. A row number is never given twice, so what is remembered stays true."""

    def __init__(self) -> None:
        self._known: dict[int, Told] = {}
        self._size = 0
        self._lock = Lock()

    def of(self, chosen: Sequence[Candidate], connect: Connect) -> list[Hit]:
        """Give hits in the order of the candidates.

        Raises:
            errors.Damaged: an item or a vector is not what was stored.
            PictureError: a vector on a shelf is not that in SQLite.
        """
        known = self._known
        found = {one.row: known.get(one.row) for one in chosen}
        new = [one for one in chosen if found[one.row] is None]
        read = self._read(new, connect) if new else {}
        return [_hit(one, found[one.row] or read[one.row]) for one in chosen]

    def _read(self, candidates: Sequence[Candidate], connect: Connect) -> dict[int, Told]:
        read = reads.told(connect(), [one.row for one in candidates])
        for one in candidates:
            checksum = read[one.row].checksum
            if crc32(one.vector.tobytes()) != checksum:
                if crc32(reads.vector_bytes(connect(), one.row)) == checksum:
                    raise PictureError(one.modality)
                raise errors.Damaged(f"the item {shown(read[one.row].id)} is not what was stored")
        with self._lock:
            self._known |= read
            self._size += sum(map(_size, read.values()))
            while self._size > REMEMBERED:
                self._size -= _size(self._known.pop(next(iter(self._known))))
        return read


def _size(told: Told) -> int:
    return ENTRY + len(told.id) + len(told.metadata)


def _hit(one: Candidate, told: Told) -> Hit:
    return Hit(
        told.id, one.modality, one.score, one.calibrated, _json(told.metadata)[0], told.segment, one.vector
    )
