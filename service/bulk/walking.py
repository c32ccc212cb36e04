"""Files below a folder, one at a time, however many there are."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePath

WILD = frozenset("*?[")


def fits(names: Sequence[str], steps: Sequence[str]) -> bool:
    """Whether a path's names follow a pattern's steps, where `**` stands for any number of folders."""
    if not steps:
        return not names
    if steps[0] == "**":
        return fits(names, steps[1:]) or (bool(names) and fits(names[1:], steps))
    return bool(names) and fnmatchcase(names[0], steps[0]) and fits(names[1:], steps[1:])


def excluded(name: PurePath, patterns: Sequence[str]) -> bool:
    """Whether a pattern with a slash fits the path, or one without any of its names."""
    return any(
        fits(name.parts, pattern.split("/"))
        if "/" in pattern
        else any(fnmatchcase(part, pattern) for part in name.parts)
        for pattern in patterns
    )


def is_inside(path: str | Path, folder: str) -> bool:
    """Whether what a path really leads to lies in `folder`, itself a real path."""
    real = os.path.realpath(path)
    return os.path.commonpath((folder, real)) == folder


def split_pattern(source: str) -> tuple[str, tuple[str, ...]]:
    """`photos/2024/**/*.jpg` -> the folder `photos/2024` and the steps of the pattern below it."""
    parts = PurePath(source).parts
    wild = next((i for i, part in enumerate(parts) if WILD & set(part)), len(parts))
    return str(PurePath(*parts[:wild])), parts[wild:]


def files_below(
    root: Path,
    steps: Sequence[str] = (),
    exclude: Sequence[str] = (),
    fault: Callable[[OSError], None] = print,
) -> Iterator[tuple[Path, PurePath]]:
    """(path, name below `root`) of every file that fits; hidden ones and links to folders are left out.

    A folder that cannot be read is told to `fault`.
    """
    waiting = [PurePath()]
    while waiting:
        folder = waiting.pop()
        try:
            entries = os.scandir(root / folder)
        except OSError as error:
            fault(error)
            continue
        with entries:
            for entry in entries:
                name = folder / entry.name
                if entry.name.startswith(".") or excluded(name, exclude):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(name)
                elif entry.is_file() and (not steps or fits(name.parts, steps)):
                    yield root / name, name
