"""Copies of data folders: made while the store is used, checked, there as a whole or not at all.

A backup is a data folder itself. What it lacks of a collection's shelves is rebuilt when it is opened.
"""

import logging
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import uuid4

from index import errors, media, reads, schema, soundness
from index.database import Database
from index.durable import BESIDE, copy, lock_folder, make_folder, sync_folder

log = logging.getLogger(__name__)

COLLECTIONS = "collections"
DATABASE = "collection.sqlite"
MEDIA = "media"
SHELVES = "shelves"

_UNFINISHED = ".unfinished-"

Check = Callable[[], None]
"""Raises where the copying is to end early."""


@dataclass(frozen=True)
class Backup:
    """A copy of a data folder: its path, the names of its collections, and what could not be copied."""

    path: Path
    collections: tuple[str, ...]
    faults: tuple[str, ...] = ()


@contextmanager
def new_collections(folder: Path) -> Iterator[Path]:
    """Lend a folder to put collections into; they become those of the data folder `folder` all at once.

    Raises:
        errors.NotEmpty: there are collections in it already.
        errors.Locked: it is in use.
        errors.StorageFull: its disk has no room for them.
    """
    make_folder(folder)
    target, unfinished = folder / COLLECTIONS, folder / f"{_UNFINISHED}{uuid4().hex}"
    with closing(lock_folder(folder)):
        if target.exists() and any(target.iterdir()):
            raise errors.NotEmpty(f"{folder} holds collections already: choose an empty folder, or a new one")
        for left in folder.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(left, ignore_errors=True)
        try:
            with soundness.full_disk_told(f"the copy does not fit into {folder}"):
                unfinished.mkdir()
                yield unfinished
                sync_folder(unfinished)
                unfinished.rename(target)
                sync_folder(folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def copy_database(connection: sqlite3.Connection, path: Path) -> None:
    """Write what `connection` sees in its transaction to a new file, and check that.

    Raises:
        errors.Damaged: the database is not what was written.
    """
    with closing(sqlite3.connect(path)) as target:
        target.execute("PRAGMA synchronous = FULL")
        connection.backup(target)
    with closing(schema.connect(path)) as copied:
        schema.migrate(copied)
        soundness.check(copied)


def copy_shelves(source: Path, target: Path) -> None:
    """Copy the files there are; each is a picture of some state, brought up to date when it is loaded."""
    target.mkdir()
    for path in source.glob("*.faiss"):
        with suppress(FileNotFoundError):
            copy(path, target / path.name)
    sync_folder(target)


def copy_media(source: Path, target: Path, names: Iterable[str], check: Check) -> list[str]:
    """Copy the files of these names; says which are missing or altered and were left out."""
    target.mkdir()
    faults, folders = [], {target}
    for name in sorted(names):
        check()
        (target / name[:2]).mkdir(exist_ok=True)
        folders.add(target / name[:2])
        copied = target / name[:2] / name
        try:
            copy(source / name[:2] / name, copied)
        except FileNotFoundError:
            faults.append(f"the media file {source / name[:2] / name} is missing")
            continue
        if not media.is_whole(copied):
            copied.unlink()
            faults.append(f"the media file {source / name[:2] / name} is not what was stored")
    for folder in folders:
        sync_folder(folder)
    return faults


def copy_collection(source: Path, target: Path, check: Check) -> list[str]:
    """Copy one state of the collection in the folder `source`, while others, even processes, use it.

    Says which media could not be copied.

    Raises:
        errors.Damaged: the database is not what was written.
    """
    target.mkdir()
    # Older shelves can be brought up to date, newer ones than the database could not.
    copy_shelves(source / SHELVES, target / SHELVES)
    with media.keeping(source / MEDIA):
        try:
            with closing(schema.connect(source / DATABASE)) as connection:
                connection.execute("BEGIN")
                names = reads.media_names(connection)
                copy_database(connection, target / DATABASE)
        except (errors.Damaged, sqlite3.DatabaseError) as damage:
            if isinstance(damage, sqlite3.Error) and not soundness.is_damage(damage):
                raise
            told = getattr(damage, "message", damage)
            raise errors.Damaged(f"the collection {source.name!r} is damaged ({told})") from damage
        faults = copy_media(source / MEDIA, target / MEDIA, names, check)
    sync_folder(target)
    return faults


def back_up(source: Path, destination: Path) -> Backup:
    """Copy all collections of the data folder `source` into `destination`, whoever uses `source` meanwhile.

    Each is copied as it is at one moment, with everything acknowledged before the call. The copy is
    checked and can be opened as it is, or put back by `restore`. A damaged collection and lost media are
    left out and told of in `faults`.

    Raises:
        errors.NotABackup: `source` is no data folder.
        errors.NotEmpty: there are collections in `destination` already.
        errors.ParameterError: it lies among the collections.
        errors.Locked: it is in use.
        errors.StorageFull: its disk has no room.
    """
    if not (source / COLLECTIONS).is_dir():
        raise errors.NotABackup(f"{source} is no data folder: it has no folder named {COLLECTIONS!r}")
    found = sorted(path for path in (source / COLLECTIONS).iterdir() if is_collection(path))
    check_destination(source / COLLECTIONS, destination)
    with new_collections(destination.absolute()) as folder:
        names, faults = copy_all([(path.name, partial(_copy_unless_dropped, path)) for path in found], folder)
    return Backup(destination, names, faults)


def _copy_unless_dropped(source: Path, target: Path, check: Check) -> list[str]:
    try:
        faults = copy_collection(source, target, check)
    except (OSError, sqlite3.Error, errors.Damaged) as error:
        if source.exists():
            raise
        raise errors.UnknownCollection(f"{source} was dropped") from error
    if not source.exists():
        raise errors.UnknownCollection(f"{source} was dropped")
    return faults


def is_collection(folder: Path) -> bool:
    """Say whether a folder among the collections is one, and not what an interrupted change left."""
    return not folder.name.startswith(".") and (folder / DATABASE).exists()


def check_destination(collections: Path, destination: Path) -> None:
    """Refuse what the next start would take for a collection.

    Raises:
        errors.ParameterError: `destination` lies in the folder `collections`.
    """
    if destination.absolute().is_relative_to(collections.absolute()):
        message = f"{destination} lies among the collections, choose a folder outside them"
        raise errors.ParameterError(message)


def copy_all(
    copies: Iterable[tuple[str, Callable[[Path, Check], list[str]]]],
    folder: Path,
    check: Check = lambda: None,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Make each named copy inside `folder`; gives the names of those that are whole, and all faults."""
    names: list[str] = []
    faults: list[str] = []
    for name, copy_to in copies:
        try:
            faults += copy_to(folder / name, check)
            names.append(name)
        except errors.UnknownCollection:
            shutil.rmtree(folder / name, ignore_errors=True)
        except errors.Damaged as damage:
            shutil.rmtree(folder / name, ignore_errors=True)
            faults.append(damage.message)
    for fault in faults:
        log.warning("left out of the backup: %s", fault)
    return tuple(names), tuple(faults)


def restore(source: Path, destination: Path) -> Backup:
    """Copy the collections of the backup `source` into the data folder `destination`, which has none.

    Nothing is put into `destination` unless all of it is whole.

    Raises:
        errors.NotABackup: `source` is none.
        errors.NotEmpty: there are collections in `destination` already.
        errors.Locked: one of them is in use.
        errors.Damaged: a database in the backup is not what was written.
        errors.StorageFull: the disk has no room.
    """
    _check_backup(source)
    faults: list[str] = []
    names = []
    with new_collections(destination.absolute()) as folder:
        for found in sorted((source / COLLECTIONS).iterdir()):
            if is_collection(found):
                faults += _restore_one(found, folder / found.name)
                names.append(found.name)
    return Backup(destination, tuple(names), tuple(faults))


def restore_one(source: Path, destination: Path, name: str) -> Backup:
    """Put one collection of the backup `source` into the data folder `destination`, beside the others.

    A damaged one of that name is replaced, its files are kept beside in a folder named `.damaged-..`.

    Raises:
        errors.NotABackup: `source` is none, or has no such collection.
        errors.NotEmpty: the collection is there and whole.
        errors.Locked, errors.Damaged, errors.StorageFull: see `restore`.
    """
    _check_backup(source)
    if not is_collection(source / COLLECTIONS / name):
        raise errors.NotABackup(f"{source} has no collection {name!r}")
    target = destination / COLLECTIONS / name
    make_folder(target.parent)
    unfinished = target.with_name(f"{_UNFINISHED}{uuid4().hex}")
    with closing(lock_folder(destination)):
        if target.exists() and _is_whole(target):
            raise errors.NotEmpty(f"{target} is there and whole: delete the collection first")
        try:
            with soundness.full_disk_told(f"the copy does not fit into {destination}"):
                faults = _restore_one(source / COLLECTIONS / name, unfinished)
            if target.exists():
                target.rename(target.with_name(f".damaged-{uuid4().hex}-{name}"))
            unfinished.rename(target)
            sync_folder(target.parent)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return Backup(destination, (name,), tuple(faults))


def _check_backup(source: Path) -> None:
    if not (source / COLLECTIONS).is_dir():
        raise errors.NotABackup(f"{source} is no backup: it has no folder named {COLLECTIONS!r}")
    if (source / "lock").exists():
        lock_folder(source).close()


def _is_whole(folder: Path) -> bool:
    try:
        database = Database(folder / DATABASE)
    except errors.Damaged:
        return False
    try:
        database.check_complete()
        soundness.check(database.writer)
    except (errors.Damaged, sqlite3.DatabaseError):
        return False
    finally:
        database.close()
    return True


def _restore_one(source: Path, target: Path) -> list[str]:
    target.mkdir()
    for path in source.glob(f"{DATABASE}*"):
        if not path.name.endswith((BESIDE, "-shm")):
            copy(path, target / path.name)
    try:
        with closing(schema.connect(target / DATABASE)) as connection:
            schema.migrate(connection)
            soundness.check(connection)
            names = reads.media_names(connection)
    except errors.Damaged as damage:
        message = f"{source / DATABASE} is damaged ({damage.message}): use another backup"
        raise errors.Damaged(message) from damage
    copy_shelves(source / SHELVES, target / SHELVES)
    faults = copy_media(source / MEDIA, target / MEDIA, names, lambda: None)
    sync_folder(target)
    for fault in faults:
        log.warning("%s", fault)
    return faults
