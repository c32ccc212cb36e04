"""A shelf as a file: what FAISS writes, then what it is a picture of, then a checksum.

    FAISS's own bytes | JSON {structure, generation, vectors} | its length, 4 bytes LE | sha256 of all before

FAISS ignores what follows its own bytes, so `faiss.read_index` opens the file as it is.
"""

import hashlib
import json
import os
from pathlib import Path

import faiss

from index.durable import beside, put_in_place, sync_folder
from index.shelf import Shelf

_CHECKSUM_BYTES = 32
_LENGTH_BYTES = 4


class UnusableShelfError(Exception):
    """The file is missing, truncated, altered or of another kind; SQLite has all that was in it."""


def save(shelf: Shelf, path: Path, generation: int) -> None:
    """Write the (compacted) shelf in place of the one before, whole or not at all."""
    partial = beside(path)
    faiss.write_index(shelf.index, str(partial))
    facts = {"structure": shelf.structure, "generation": generation, "vectors": len(shelf)}
    text = json.dumps(facts).encode()
    with partial.open("r+b") as file:
        file.seek(0, os.SEEK_END)
        file.write(text + len(text).to_bytes(_LENGTH_BYTES, "little"))
        file.seek(0)
        checksum = hashlib.file_digest(file, "sha256").digest()
        file.seek(0, os.SEEK_END)
        file.write(checksum)
    put_in_place(partial, path)
    sync_folder(path.parent)


def load(path: Path, dimension: int, newest: int) -> tuple[Shelf, int]:
    """Read a shelf and the generation it is a picture of, `newest` or an earlier one.

    Raises:
        UnusableShelfError: there is no such file, or it is not what was saved.
    """
    if not path.exists():
        raise UnusableShelfError("there is none")
    generation, vectors = _checked_facts(path)
    if generation > newest:
        raise UnusableShelfError("it is newer than the database, which was put back from a copy")
    try:
        index = faiss.read_index(str(path))
    except RuntimeError as error:
        raise UnusableShelfError(f"FAISS cannot read it: {error}") from error
    if not isinstance(index, faiss.IndexIDMap2) or index.d != dimension or index.ntotal != vectors:
        raise UnusableShelfError("it holds another kind of index")
    return Shelf(dimension, index), generation


def _checked_facts(path: Path) -> tuple[int, int]:
    size = path.stat().st_size
    body = size - _CHECKSUM_BYTES
    if body < _LENGTH_BYTES:
        raise UnusableShelfError(f"it has only {size} bytes")
    with path.open("rb") as file:
        digest = hashlib.sha256()
        for start in range(0, body, 1 << 20):
            digest.update(file.read(min(1 << 20, body - start)))
        if file.read() != digest.digest():
            raise UnusableShelfError("its checksum is wrong, it was truncated or altered")
        file.seek(body - _LENGTH_BYTES)
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        file.seek(body - _LENGTH_BYTES - length)
        facts = json.loads(file.read(length))
    if facts["structure"] != Shelf.structure:
        raise UnusableShelfError(f"its structure is {facts['structure']!r}")
    return facts["generation"], facts["vectors"]
