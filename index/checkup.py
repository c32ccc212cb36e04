"""Looking at a data folder from outside, without opening, mending or changing anything in it."""

import fcntl
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from index import errors, reads, soundness
from index.backup import COLLECTIONS, DATABASE, is_collection
from index.database import Database

BESIDE = ("-wal",)
LARGEST = 2_000_000_000
"""Databases beyond this size [bytes] are not copied to be read as a whole."""


@dataclass(frozen=True)
class Condition:
    """A collection: its `model` and `fault`, where they could be found out, and its size [bytes]."""

    name: str
    model: str | None
    fault: str | None
    size: int
    read: bool


def in_use(folder: Path) -> bool:
    """Say whether a process has the data folder open."""
    try:
        with (folder / "lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def conditions(folder: Path) -> Iterator[Condition]:
    """Read every collection of a data folder that nobody has open, in a copy of its database."""
    collections = folder / COLLECTIONS
    if not collections.is_dir():
        return
    for each in sorted(collections.iterdir()):
        if is_collection(each):
            yield _condition(each)


def _condition(folder: Path) -> Condition:
    files = [folder / f"{DATABASE}{suffix}" for suffix in ("", *BESIDE)] + [folder / "acknowledged"]
    there = [path for path in files if path.exists()]
    size = sum(path.stat().st_size for path in there)
    if size > LARGEST:
        return Condition(folder.name, None, None, size, read=False)
    with TemporaryDirectory() as name:
        if shutil.disk_usage(name).free < 2 * size:
            return Condition(folder.name, None, None, size, read=False)
        for path in there:
            shutil.copyfile(path, Path(name) / path.name)
        model, fault = _read(Path(name) / DATABASE)
    return Condition(folder.name, model, fault, size, read=True)


def _read(path: Path) -> tuple[str | None, str | None]:
    """Give the model that a database names, and what is wrong with it."""
    model = None
    try:
        database = Database(path)
        try:
            with database.reading() as connection:
                model = str(reads.facts(connection).get("model"))
                soundness.check(connection)
            database.check_complete()
        finally:
            database.close()
    except (errors.Damaged, sqlite3.DatabaseError) as error:
        return model, str(error)
    return model, None
