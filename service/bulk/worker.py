"""One decoding process: reads, decodes and prepares a file after the other, and answers by shared memory.

Imported first in the new process, so nothing heavy is imported here.
"""

from __future__ import annotations

import hashlib
import logging
import mmap
import os
import pickle
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.embedder import Views
    from models.preparer import Preparer
    from models.segments import Prepared as Segment

log = logging.getLogger(__name__)

NICE = 5
READY = "ready"
LARGEST_FILE = 2_000_000_000


@dataclass(frozen=True)
class Task:
    """A file to prepare, in few bytes: pipes that are full in both directions would stop each other.

    `facts`: hash of what is said of the file. `known`: the fingerprint that is stored already. `inside`: the
    folder that links may not lead out of. `keep`: whether the bytes are wanted too.
    """

    path: str
    modality: str
    params: Mapping[str, Any] = field(default_factory=dict)
    facts: str = ""
    known: str = ""
    inside: str | None = None
    keep: bool = True


@dataclass(frozen=True)
class Header:
    """The answer to a task; its arrays follow in the slot, or beside in the pipe.

    `fault`: (message, code). `same`: the file is stored already. `shape`, `dtype` of the views, of which the
    last belong to the segments that `marks` tell of.
    """

    print: str = ""
    fault: tuple[str, str] | None = None
    same: bool = False
    shape: tuple[int, ...] = ()
    dtype: str = ""
    notes: tuple[str, ...] = ()
    tokens: int = 0
    marks: tuple[tuple[float, float, int], ...] = ()
    data_bytes: int = 0
    in_slot: bool = True


@dataclass(frozen=True)
class Prepared:
    """`views` None: `print` is known already."""

    print: str
    views: Views | None = None
    segments: Sequence[Segment] = ()
    data: bytes = field(default=b"", repr=False)


def fingerprint(facts: str, data: bytes) -> str:
    """The same as long as content, modality, parameters and metadata are."""
    return hashlib.sha256(f"{facts} {hashlib.sha256(data).hexdigest()}".encode()).hexdigest()[:32]


def opened(path: str, inside: str | None) -> int:
    """A descriptor of a regular file. Raises OSError, PermissionError where a link leads outside."""
    flags = os.O_RDONLY | os.O_NONBLOCK
    if inside is not None:
        path, flags = os.path.realpath(path), flags | os.O_NOFOLLOW
        if os.path.commonpath((inside, path)) != inside:
            raise PermissionError("it is a link that leads out of the folder")
    handle = os.open(path, flags)
    facts = os.fstat(handle)
    if not stat.S_ISREG(facts.st_mode) or facts.st_size > LARGEST_FILE:
        os.close(handle)
        raise PermissionError(f"it is no plain file of at most {LARGEST_FILE} bytes")
    return handle


def read(path: str, inside: str | None) -> bytes:
    """Raises OSError."""
    with os.fdopen(opened(path, inside), "rb") as file:
        return file.read()


def prepared(preparer: Preparer, task: Task, data: bytes) -> Prepared:
    """Raises SensoriumError."""
    print_ = fingerprint(task.facts, data)
    if print_ == task.known:
        return Prepared(print_)
    views, segments = preparer.views(task.modality, data, task.params)
    return Prepared(print_, views, segments, data if task.keep else b"")


def fault_of(error: Exception) -> tuple[str, str]:
    """(message, code); the cause of an unknown fault goes to the log."""
    if hasattr(error, "message") and hasattr(error, "code"):
        return error.message, error.code
    if isinstance(error, OSError):
        return f"it cannot be read: {error.strerror or error}", "unreadable"
    log.error("a file could not be prepared", exc_info=error)
    return "it could not be prepared; the log holds the cause", "internal_error"


class Work:
    """`slots`: `depth` stretches of shared memory of equal size, one for each task on its way."""

    def __init__(self, connection: Connection, slots: mmap.mmap, depth: int, preparer: Preparer) -> None:
        self.connection = connection
        self.memory = memoryview(slots)
        self.room = len(self.memory) // depth
        self.depth = depth
        self.preparer = preparer

    def serve(self) -> None:
        """Until the other end is closed."""
        while True:
            try:
                number, task = self.connection.recv()
                self.answer(number % self.depth, task)
            except (EOFError, OSError):
                return

    def answer(self, slot: int, task: Task) -> None:
        try:
            made = prepared(self.preparer, task, read(task.path, task.inside))
        except Exception as error:  # noqa: BLE001 - the file's fault, whatever it is
            self.connection.send(Header(fault=fault_of(error)))
            return
        if made.views is None:
            self.connection.send(Header(made.print, same=True))
        else:
            self.send(slot, made, made.views)

    def send(self, slot: int, made: Prepared, views: Views) -> None:
        from models.preparer import array_of, marks_of  # noqa: PLC0415 - loads torch

        array = array_of(views, made.segments)
        numbers, data = array.reshape(-1).view("B").data, made.data
        fits = array.nbytes + len(data) <= self.room
        if fits:
            start, middle = slot * self.room, slot * self.room + array.nbytes
            self.memory[start:middle] = numbers
            self.memory[middle : middle + len(data)] = data
        header = Header(
            made.print,
            shape=array.shape,
            dtype=str(array.dtype),
            notes=views.notes,
            tokens=views.tokens,
            marks=marks_of(made.segments),
            data_bytes=len(data),
            in_slot=fits,
        )
        self.connection.send(header)
        if not fits:
            self.connection.send_bytes(numbers)
            self.connection.send_bytes(data)


def main(pipe: int, shared: int, depth: int) -> None:
    """The process, given descriptors of its pipe and of the memory; the first message is the preparer."""
    os.nice(NICE)
    connection, slots = Connection(pipe), mmap.mmap(shared, 0)
    preparer = pickle.loads(connection.recv_bytes())  # noqa: S301 - our own, from the parent
    connection.send(READY)
    Work(connection, slots, depth, preparer).serve()
