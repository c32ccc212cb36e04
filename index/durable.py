"""Files that are there whole or not at all, and a folder that one process owns."""

import ctypes
import fcntl
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from index import errors

BESIDE = ".partial"


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def filesystem(folder: Path) -> Iterator[Callable[[], None] | None]:
    """Lend a call that makes all that was written to the filesystem of `folder` durable, as Linux has it.

    None elsewhere. It waits for what other processes write too, so it is for many files at a time.
    """
    syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if syncfs is None:
        yield None
        return
    # Faults of writing are told to who had the folder open before.
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)

    def sync() -> None:
        if syncfs(handle) != 0:
            fault = ctypes.get_errno()
            raise OSError(fault, os.strerror(fault), str(folder))

    try:
        yield sync
    finally:
        os.close(handle)


def make_folder(folder: Path) -> None:
    """Make `folder` and its parents where they are missing, durably."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def beside(path: Path) -> Path:
    """Give the name under which a file is written before it takes the place of `path`."""
    return path.with_name(path.name + BESIDE)


def put_in_place(partial: Path, path: Path) -> None:
    """Let the written file `partial` become `path` at once, contents first; its folder is left to sync."""
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(path)


def copy(source: Path, target: Path) -> None:
    """Copy a file durably; the name in its folder is left to sync."""
    shutil.copyfile(source, target)
    with target.open("rb") as file:
        os.fsync(file.fileno())


def lock_folder(folder: Path) -> IO[str]:
    """Take the folder for this process until the returned file is closed, or the process dies.

    Raises:
        errors.Locked: someone else holds it.
    """
    file = (folder / "lock").open("a+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.seek(0)
        owner = file.read(200).strip() or "unknown"
        file.close()
        message = (
            f"the data folder {folder} is in use by another process (process id {owner}): "
            "stop that one, or choose another data folder"
        )
        raise errors.Locked(message) from error
    file.truncate(0)
    file.write(f"{os.getpid()}, {Path(sys.argv[0]).name or 'python'}")
    file.flush()
    return file
