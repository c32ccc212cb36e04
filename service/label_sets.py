"""Label sets: labels and templates under a name, kept on disk beside their vectors, which can be made again.

`label-sets/NAME/labels.json` in the data folder is the truth, written whole or not at all; `KEY.npy` beside
it holds the vectors of one model, whose identity is part of the key.
"""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import orjson

from index.durable import beside, make_folder, put_in_place, sync_folder
from index.errors import StorageFull
from models.errors import ParameterError
from service.errors import UnknownLabelSetError

log = logging.getLogger(__name__)

FOLDER = "label-sets"
WORDS = "labels.json"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
DROPPED = ".dropped-"
Templates: TypeAlias = str | tuple[str, ...]


@dataclass(frozen=True)
class LabelSet:
    name: str
    labels: tuple[str, ...]
    templates: Templates
    created_at: datetime


def checked_name(name: str) -> str:
    """Raises ParameterError."""
    if NAME.fullmatch(name):
        return name
    raise ParameterError(
        f"{name[:80]!r} cannot name a label set: 1 to 128 characters of A-Z a-z 0-9 . _ - are accepted, "
        "the first of them a letter or a digit",
        code="invalid_label_set_name",
    )


def templates_from(value: Any) -> Templates:
    return value if isinstance(value, str) else tuple(value)


def read(folder: Path) -> LabelSet:
    """Raises OSError, ValueError, KeyError."""
    facts = orjson.loads((folder / WORDS).read_bytes())
    created = datetime.fromtimestamp(facts["created_s"], UTC)
    return LabelSet(folder.name, tuple(facts["labels"]), templates_from(facts["templates"]), created)


def write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all. Raises StorageFull."""
    try:
        make_folder(path.parent)
        beside(path).write_bytes(data)
        put_in_place(beside(path), path)
        sync_folder(path.parent)
    except OSError as error:
        raise StorageFull(f"{path.name} could not be written: {error.strerror}") from error


class LabelSets:
    """Those of one data folder. Every method reads or writes files; none is kept open."""

    def __init__(self, data_dir: Path) -> None:
        self.root = data_dir.absolute() / FOLDER

    def folder(self, name: str) -> Path:
        """Where the set of this name lies, or would lie. Raises ParameterError."""
        return self.root / checked_name(name)

    def put(self, name: str, labels: Sequence[str], templates: Templates) -> tuple[LabelSet, bool]:
        """Store or replace a set; durable on return. The second value: was there none before."""
        folder = self.folder(name)
        new = not (folder / WORDS).exists()
        now = datetime.now(UTC)
        facts = {"labels": labels, "templates": templates, "created_s": now.timestamp()}
        write(folder / WORDS, orjson.dumps(facts))
        for stale in folder.glob("*.npy"):
            stale.unlink(missing_ok=True)
        return LabelSet(name, tuple(labels), templates, now), new

    def get(self, name: str) -> LabelSet:
        """Raises UnknownLabelSetError, ParameterError."""
        try:
            return read(self.folder(name))
        except FileNotFoundError:
            there = ", ".join(each.name for each in self.all()) or "none"
            raise UnknownLabelSetError(f"there is no label set {name!r}; there are: {there}") from None

    def all(self) -> list[LabelSet]:
        """By name; a set that cannot be read is logged and left out."""
        found = []
        for folder in sorted(self.root.glob("*")):
            if not NAME.fullmatch(folder.name):
                continue
            try:
                found.append(read(folder))
            except (OSError, ValueError, KeyError):
                log.exception("the label set %s cannot be read", folder.name)
        return found

    def drop(self, name: str) -> None:
        """Raises UnknownLabelSetError, ParameterError."""
        self.get(name)
        gone = self.root / f"{DROPPED}{uuid4().hex}"
        self.folder(name).rename(gone)
        sync_folder(self.root)
        shutil.rmtree(gone, ignore_errors=True)

    def copy_to(self, data_dir: Path) -> list[str]:
        """Copy those that `data_dir` does not have; gives their names. Vectors stay behind."""
        there = LabelSets(data_dir)
        missing = [each for each in self.all() if not (there.root / each.name / WORDS).exists()]
        for each in missing:
            write(there.root / each.name / WORDS, (self.root / each.name / WORDS).read_bytes())
        return [each.name for each in missing]


def kept_vectors(folder: Path | None, key: str, shape: tuple[int, int]) -> npt.NDArray[np.float32] | None:
    """The vectors that `keep_vectors` wrote, None where there are none that can be used."""
    if folder is None:
        return None
    try:
        vectors = np.load(folder / f"{key}.npy", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    usable = vectors.shape == shape and vectors.dtype == np.float32 and bool(np.isfinite(vectors).all())
    return vectors if usable else None


def keep_vectors(folder: Path | None, key: str, vectors: npt.NDArray[np.float32]) -> None:
    """Keep them beside the labels, if these are still there; on a full disk they are made anew next time."""
    if folder is None or not (folder / WORDS).exists():
        return
    path = folder / f"{key}.npy"
    try:
        with beside(path).open("wb") as file:
            np.save(file, vectors, allow_pickle=False)
        put_in_place(beside(path), path)
    except OSError as error:
        log.warning("the vectors of the label set %s could not be kept: %s", folder.name, error)
