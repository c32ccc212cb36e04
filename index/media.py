"""Original media as files named by the sha256 of their content."""

import hashlib
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import BinaryIO

from index.durable import BESIDE, beside, make_folder, put_in_place, sync_folder

log = logging.getLogger(__name__)


def name_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def is_whole(path: Path) -> bool:
    """Say whether a media file has the content that its name promises."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == path.name


class MediaFolder:
    """Files two levels deep (`ab/ab12...`). The same content is stored once, however many items name it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        make_folder(folder)

    def write(self, contents: Mapping[str | None, bytes | None]) -> None:
        """Store each content durably under its name, see `name_of`; None is no content and has no name."""
        folders = {
            self._write(self._path(name), content)
            for name, content in contents.items()
            if name is not None and content is not None
        }
        for folder in folders:
            sync_folder(folder)

    def open(self, name: str) -> BinaryIO:
        return self._path(name).open("rb")

    def remove(self, names: Iterable[str]) -> None:
        """Delete files that no item names any more; one that cannot be deleted waits for the next sweep."""
        for name in names:
            try:
                self._path(name).unlink(missing_ok=True)
            except OSError:
                log.warning("could not remove the media file %s", self._path(name), exc_info=True)

    def sweep(self, named: set[str]) -> None:
        """Delete what a crash left behind: half-written files and those that no item names."""
        for path in self._folder.glob("*/*"):
            if path.name not in named or path.name.endswith(BESIDE):
                log.info("removing the media file %s, which no item names", path)
                path.unlink(missing_ok=True)

    def _write(self, path: Path, content: bytes) -> Path:
        make_folder(path.parent)
        if not (path.exists() and path.stat().st_size == len(content)):
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
