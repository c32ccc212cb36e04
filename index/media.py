"""Original media as files named by the sha256 of their content."""

import fcntl
import hashlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from index.durable import BESIDE, beside, filesystem, make_folder, put_in_place, sync_folder

log = logging.getLogger(__name__)

MANY = 32
"""From so many files on one sync of the whole filesystem is quicker than one for each."""


def name_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def is_whole(path: Path) -> bool:
    """Say whether a media file has the content that its name promises."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == path.name


def _is_there(path: Path, content: bytes) -> bool:
    return path.exists() and path.stat().st_size == len(content)


@contextmanager
def keeping(folder: Path) -> Iterator[None]:
    """Let nobody remove files of the media folder `folder`, not even another process.

    A collection that was made and never opened has none yet.
    """
    if not folder.is_dir():
        yield
        return
    file = _lock_file(folder)
    try:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield
    finally:
        os.close(file)


def _lock_file(folder: Path) -> int:
    return os.open(folder / "lock", os.O_RDONLY | os.O_CREAT, 0o644)


class MediaFolder:
    """Files two levels deep (`ab/ab12...`). The same content is stored once, however many items name it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        make_folder(folder)
        self._lock = _lock_file(folder)
        self._unnamed: set[str] = set()

    def write(self, contents: Mapping[str | None, bytes | None]) -> None:
        """Store each content durably under its name, see `name_of`; None is no content and has no name."""
        wanted = {
            self._path(name): content
            for name, content in contents.items()
            if name is not None and content is not None
        }
        if len(wanted) >= MANY:
            with filesystem(self._folder) as sync:
                if sync is not None:
                    self._write_many(wanted, sync)
                    return
        for folder in {self._write(path, content) for path, content in wanted.items()}:
            sync_folder(folder)

    def open(self, name: str) -> BinaryIO:
        return self._path(name).open("rb")

    def remove(self, names: Iterable[str], named: Callable[[set[str]], set[str]]) -> None:
        """Delete those files that no item names any more; `named` tells which of some names items have.

        While somebody copies the folder this is put off to the next call after that, or the next sweep. So
        is a file that cannot be deleted.
        """
        self._unnamed.update(names)
        if self._unnamed and self._alone():
            try:
                for name in self._unnamed - named(self._unnamed):
                    self._remove(self._path(name))
                self._unnamed.clear()
            finally:
                fcntl.flock(self._lock, fcntl.LOCK_UN)

    def sweep(self, named: set[str]) -> None:
        """Delete what a crash left behind: half-written files and those that no item names."""
        if self._alone():
            try:
                for path in self._folder.glob("*/*"):
                    if path.name not in named or path.name.endswith(BESIDE):
                        log.info("removing the media file %s, which no item names", path)
                        self._remove(path)
            finally:
                fcntl.flock(self._lock, fcntl.LOCK_UN)

    def close(self) -> None:
        os.close(self._lock)

    def _alone(self) -> bool:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _remove(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError:
            log.warning("could not remove the media file %s", path, exc_info=True)

    def _write_many(self, wanted: Mapping[Path, bytes], sync: Callable[[], None]) -> None:
        """As `_write`, with two syncs for all: of the contents, then of the names."""
        new = {path: content for path, content in wanted.items() if not _is_there(path, content)}
        try:
            for path, content in new.items():
                path.parent.mkdir(exist_ok=True)
                beside(path).write_bytes(content)
            sync()
            for path in new:
                beside(path).replace(path)
            sync()
        except OSError:
            for path in new:
                beside(path).unlink(missing_ok=True)
            raise

    def _write(self, path: Path, content: bytes) -> Path:
        make_folder(path.parent)
        if not _is_there(path, content):
            partial = beside(path)
            try:
                partial.write_bytes(content)
                put_in_place(partial, path)
            except OSError:
                partial.unlink(missing_ok=True)
                raise
        return path.parent

    def _path(self, name: str) -> Path:
        return self._folder / name[:2] / name
