"""A shelf as a file: what FAISS writes, then what it is a picture of, then a checksum.

    FAISS's own bytes | JSON {structure, generation, ..} | its length, 4 bytes LE | sha256 of all before

FAISS ignores what follows its own bytes, so `faiss.read_index` opens the file as it is.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from index.compressed import CompressedShelf
from index.durable import beside, put_in_place, sync_folder
from index.effort import Effort, Step
from index.ranking import AnyShelf
from index.shelf import Shelf
from index.vector_file import SUFFIX, VectorFile

STRUCTURES = (Shelf.structure, CompressedShelf.structure)

_CHECKSUM_BYTES = 32
_LENGTH_BYTES = 4


class UnusableShelfError(Exception):
    """The file is truncated, altered or of another kind; SQLite has all that was in it."""


class MissingShelfError(UnusableShelfError):
    """There is no file, as where a backup was made, or the process ended, before the first one was saved."""


def save(shelf: AnyShelf, path: Path, generation: int) -> None:
    """Write the (compacted) shelf in place of the one before, whole or not at all; its folder may be gone."""
    if isinstance(shelf, CompressedShelf):
        shelf.file.sync()
    path.parent.mkdir(exist_ok=True)
    partial = beside(path)
    faiss.write_index(shelf.index, str(partial))
    text = json.dumps({"generation": generation, **_facts(shelf)}).encode()
    with partial.open("r+b") as file:
        file.seek(0, os.SEEK_END)
        file.write(text + len(text).to_bytes(_LENGTH_BYTES, "little"))
        file.seek(0)
        checksum = hashlib.file_digest(file, "sha256").digest()
        file.seek(0, os.SEEK_END)
        file.write(checksum)
    put_in_place(partial, path)
    sync_folder(path.parent)


def load(path: Path, dimension: int, newest: int) -> tuple[AnyShelf, int]:
    """Read a shelf and the generation it is a picture of, `newest` or an earlier one.

    Raises:
        MissingShelfError: there is no such file.
        UnusableShelfError: it is not what was saved.
    """
    if not path.exists():
        raise MissingShelfError("no file of it was saved")
    facts = _checked_facts(path)
    if facts["generation"] > newest:
        raise UnusableShelfError("it is newer than the database, which was put back from a copy")
    try:
        index: Any = faiss.read_index(str(path))
    except RuntimeError as error:
        raise UnusableShelfError(f"FAISS cannot read it: {error}") from error
    if index.d != dimension:
        raise UnusableShelfError(f"its vectors have {index.d} numbers")
    return _shelf(index, facts, path), facts["generation"]


def _facts(shelf: AnyShelf) -> dict[str, Any]:
    facts: dict[str, Any] = {"structure": shelf.structure, "vectors": len(shelf)}
    if isinstance(shelf, CompressedShelf):
        steps = [
            [step.neighbours, step.recall, step.effort.probes, step.effort.rerank] for step in shelf.steps
        ]
        facts |= {"dead": shelf.dead_rows().tolist(), "built": shelf.built, "steps": steps}
        facts["file"] = shelf.file.path.name
    return facts


def _shelf(index: Any, facts: dict[str, Any], path: Path) -> AnyShelf:
    if facts["structure"] == Shelf.structure:
        return Shelf(index.d, index)
    steps = tuple(
        Step(neighbours, recall, Effort(probes, rerank))
        for neighbours, recall, probes, rerank in facts["steps"]
    )
    file = VectorFile(path.with_name(facts.get("file", f"{path.stem}{SUFFIX}")), index.d)
    shelf = CompressedShelf(index, steps, facts["built"], file)
    shelf.remove(np.array(facts["dead"], dtype=np.int64))
    return shelf


def _checked_facts(path: Path) -> dict[str, Any]:
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
        facts: dict[str, Any] = json.loads(file.read(length))
    if facts["structure"] not in STRUCTURES:
        raise UnusableShelfError(f"its structure is {facts['structure']!r}")
    return facts
