"""Finding the files of a data set, with errors that say what is missing."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evaluation.errors import LayoutError
from evaluation.items import Item, file_item
from evaluation.tasks import Task

SOUNDS = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a")
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


@dataclass(frozen=True)
class DataSet:
    """What a folder holds: tasks, and remarks that belong beside the figures."""

    tasks: Sequence[Task]
    notes: Sequence[str] = field(default_factory=tuple)


def first_there(root: Path, *names: str) -> Path:
    """The first of some files or folders below `root` that exists. Raises LayoutError."""
    for name in names:
        if (root / name).exists():
            return root / name
    raise LayoutError(f"{root} lacks {' or '.join(names)}")


def rows_of(path: Path, columns: Iterable[str]) -> list[dict[str, str]]:
    """The rows of a CSV with a header. Raises LayoutError for a column that is missing."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        missing = [name for name in columns if name not in (reader.fieldnames or ())]
        if missing:
            raise LayoutError(
                f"{path} lacks the column {missing[0]!r}; it has {', '.join(reader.fieldnames or ())}"
            )
        return list(reader)


def files_by_stem(folders: Iterable[Path], suffixes: Sequence[str]) -> dict[str, Path]:
    """Files directly in some folders, by name without ending; the first folder wins."""
    found: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if path.suffix.lower() in suffixes:
                found.setdefault(path.stem, path)
    return found


def absent(missing: Sequence[str], wanted: int, what: str) -> list[str]:
    """A remark on files that a list names and that are not there; LayoutError where none is."""
    if missing and len(missing) == wanted:
        raise LayoutError(f"none of the {wanted} {what} is there, for example {missing[0]}")
    return [f"{len(missing)} of {wanted} {what} are missing, for example {missing[0]}"] if missing else []


def named_in_words(label: str) -> str:
    return label.replace("_", " ").strip()


def file_items(modality: str, paths: Iterable[Path]) -> list[Item]:
    return [file_item(modality, path) for path in paths]
