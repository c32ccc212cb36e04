"""Large files over unreliable lines: resumed, checked, and never half there under their final name."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from models.errors import WeightsError

ATTEMPTS = 8  # in a row that bring nothing
LONGEST_WAIT_S = 30.0
TIMEOUT = httpx.Timeout(60.0, connect=20.0)


@dataclass(frozen=True)
class Remote:
    """A file elsewhere, and what it has to be: `size` [bytes] and sha256 (hexadecimal)."""

    url: str
    size: int
    sha256: str


def _complete(path: Path, size: int) -> bool:
    """Only verified files get their final name, so the size is enough to know one again."""
    return path.is_file() and path.stat().st_size == size


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.with_name(path.name + ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Bar:
    """How much has arrived, drawn or not."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task

    def show(self, arrived: int) -> None:
        self._progress.update(self._task, completed=arrived)


@contextmanager
def _bar(name: str, size: int, wanted: bool) -> Iterator[Bar]:  # noqa: FBT001 - private, and passed on by position
    console = Console(stderr=True)
    columns = (
        "{task.description}",
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not (wanted and console.is_terminal)) as progress:
        yield Bar(progress, progress.add_task(name, total=size))


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _expect_room(part: Path, size: int) -> None:
    free, missing = shutil.disk_usage(part.parent).free, size - _size(part)
    if free < missing:
        raise WeightsError(f"{part.parent} has {free} bytes free; {missing} more are needed")


def _resumed(answer: httpx.Response, part: Path, remote: Remote) -> bool:
    """Whether the answer goes on where `part` ends; it starts anew where ranges are not supported."""
    if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
        part.unlink(missing_ok=True)  # the server's file is shorter; the next answer will tell its length
        raise httpx.RemoteProtocolError("the server has nothing after what arrived")
    if answer.is_server_error:
        raise httpx.RemoteProtocolError(f"the server answered {answer.status_code}")
    if not answer.is_success:
        raise WeightsError(f"{remote.url} answered {answer.status_code}; the file cannot be downloaded")
    resumed = answer.status_code == httpx.codes.PARTIAL_CONTENT
    first = _size(part) if resumed else 0
    if resumed and not answer.headers.get("Content-Range", "").startswith(f"bytes {first}-"):
        raise WeightsError(f"{remote.url} answered with another range than asked for")
    offered = answer.headers.get("Content-Length")
    if offered is not None and first + int(offered) != remote.size:
        raise WeightsError(f"{remote.url} offers {first + int(offered)} bytes; expected are {remote.size}")
    return resumed


def _expect_size(remote: Remote, part: Path) -> None:
    if _size(part) > remote.size:
        part.unlink()
        raise WeightsError(f"{remote.url} sent more than the expected {remote.size} bytes")
    if _size(part) < remote.size:
        raise httpx.RemoteProtocolError("the connection ended early")


def _receive(remote: Remote, part: Path, bar: Bar) -> None:
    """One attempt: append what the server sends. Raises httpx.RequestError where the line breaks."""
    arrived = _size(part)
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={arrived}-"} if arrived else {})
    with httpx.stream("GET", remote.url, headers=headers, timeout=TIMEOUT, follow_redirects=True) as answer:
        resumed = _resumed(answer, part, remote)
        with part.open("ab" if resumed else "wb") as file:
            for chunk in answer.iter_raw():  # unbuffered: what came before a break is kept
                file.write(chunk)
                bar.show(file.tell())
                if file.tell() > remote.size:
                    break
    _expect_size(remote, part)


def _verify(remote: Remote, part: Path) -> None:
    with part.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != remote.sha256:
        part.unlink()
        raise WeightsError(f"{remote.url} has sha256 {digest}; expected is {remote.sha256}")


def _download(remote: Remote, path: Path, bar: Bar, first_wait_s: float) -> None:
    part = path.with_name(path.name + ".part")
    _expect_room(part, remote.size)
    if _size(part) > remote.size:
        part.unlink()
    failures, wait_s = 0, first_wait_s
    while (before := _size(part)) != remote.size:
        try:
            _receive(remote, part, bar)
        except httpx.RequestError as error:
            failures, wait_s = (0, first_wait_s) if _size(part) > before else (failures + 1, wait_s * 2)
            if failures == ATTEMPTS:
                raise WeightsError(
                    f"{remote.url} could not be downloaded: {error}; what arrived is kept"
                ) from error
            time.sleep(min(wait_s, LONGEST_WAIT_S))
    _verify(remote, part)
    part.replace(path)


def fetch(remote: Remote, path: Path, *, progress: bool = True, first_wait_s: float = 1.0) -> Path:
    """Download a file to `path` unless it is there, and return `path`.

    What arrived stays in `path.part` across dropped connections and restarts. Waits between attempts
    double from `first_wait_s`. A second process waits for the first. `progress` draws a bar where
    standard error is a terminal. Raises WeightsError where the server refuses, offers another size,
    sends other content or stays away, or the disk is too small.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _lock(path):
            if not _complete(path, remote.size):
                with _bar(path.name, remote.size, progress) as bar:
                    _download(remote, path, bar, first_wait_s)
    except OSError as error:
        raise WeightsError(f"{path} could not be written: {error}") from error
    return path
