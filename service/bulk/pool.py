"""Decoding processes: each works through a few tasks at a time; one that dies costs the file it was at.

Where a model has senses that cannot be sent to another process, all is decoded in threads.
"""

from __future__ import annotations

import logging
import mmap
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe, wait
from types import TracebackType
from typing import Self

import numpy as np

from models.embedder import Views
from models.preparer import Preparer, parts_of, views_of
from models.segments import Prepared
from service.bulk.candidates import Candidate, facts_of
from service.bulk.worker import Header, Task, Work, fault_of, prepared
from service.errors import NotReadyError

log = logging.getLogger(__name__)

DEPTH = 8  # tasks on their way to one process
SLOT_BYTES = 2_000_000
SLOWEST_S = 300.0  # a decoder that takes longer is stopped
ENDS_WITHIN_S = 1.0
TICK_S = 0.5
CRASHED = "decoder_crashed"
START = "from service.bulk.worker import main; main({}, {}, {})"
# As many processes as cores work already, so each has one thread for arithmetic.
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def usual_workers() -> int:
    """One for each core but the encoder's; at most eight, which no encoder on a processor outruns."""
    return max(1, min(8, len(os.sched_getaffinity(0)) - 1))


def shared_memory(size: int) -> int:
    """A descriptor of memory without a name, which ends with the last who has it open."""
    if hasattr(os, "memfd_create"):
        handle = os.memfd_create("sensorium-slots")
    else:
        with tempfile.TemporaryFile() as file:
            handle = os.dup(file.fileno())
    os.ftruncate(handle, size)
    return handle


@dataclass(frozen=True)
class Errand:
    """A candidate to prepare; `known`, `inside` and `keep` as in Task."""

    candidate: Candidate
    known: str = ""
    inside: str | None = None
    keep: bool = True

    def task(self) -> Task:
        each = self.candidate
        facts = facts_of(each)
        return Task(str(each.path), each.modality, each.params, facts, self.known, self.inside, self.keep)


@dataclass(frozen=True)
class Answer:
    """What became of a candidate: a fault, the same as before, or views with the file's bytes."""

    candidate: Candidate
    print: str = ""
    fault: tuple[str, str] | None = None
    same: bool = False
    views: Views | None = None
    segments: Sequence[Prepared] = ()
    data: bytes = field(default=b"", repr=False)

    @property
    def all_views(self) -> list[Views]:
        """Those of the whole and those of its segments."""
        return [] if self.views is None else [self.views, *(each.views for each in self.segments)]


class Worker:
    """One process (a thread, where `preparer` cannot be pickled) and what it was given, oldest first."""

    def __init__(self, preparer: Preparer, pickled: bytes | None) -> None:
        self.tasks: deque[Errand] = deque()
        self.since = time.monotonic()
        self.ready = pickled is None
        self.process: subprocess.Popen[bytes] | None = None
        self._given = self._taken = 0
        self.connection, other = Pipe()
        memory = shared_memory(DEPTH * SLOT_BYTES)
        slots = mmap.mmap(memory, DEPTH * SLOT_BYTES)
        self._memory = memoryview(slots)
        if pickled is None:
            work = Work(other, slots, DEPTH, preparer)
            threading.Thread(target=work.serve, daemon=True, name="decode").start()
        else:
            self.process = self._start(other, memory)
            other.close()
            self.connection.send_bytes(pickled)
        os.close(memory)

    @staticmethod
    def _start(pipe: Connection, memory: int) -> subprocess.Popen[bytes]:
        """A process of its own group, which Ctrl-C does not hit, that never runs the parent's main module.

        It ends by itself when the parent's end of the pipe is closed, by whatever cause.
        """
        words = [sys.executable, "-c", START.format(pipe.fileno(), memory, DEPTH)]
        environment = {**os.environ, **ENVIRONMENT, "PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.Popen(  # noqa: S603 - this very interpreter
            words,
            pass_fds=(pipe.fileno(), memory),
            env=environment,
            stdin=subprocess.DEVNULL,
            process_group=0,
        )

    @property
    def full(self) -> bool:
        return len(self.tasks) >= DEPTH

    @property
    def stuck(self) -> bool:
        return bool(self.tasks) and self.ready and time.monotonic() - self.since > SLOWEST_S

    def give(self, errand: Errand) -> None:
        """Raises OSError where the process has died."""
        if not self.tasks:
            self.since = time.monotonic()
        self.tasks.append(errand)
        self._given += 1
        self.connection.send((self._given, errand.task()))

    def take(self) -> Answer | None:
        """The next answer, None for the sign that the process is there. Raises EOFError, OSError."""
        header: Header | str = self.connection.recv()
        self.since = time.monotonic()
        if isinstance(header, str):
            self.ready = True
            return None
        self._taken += 1
        views, segments, data = self._content(header)
        candidate = self.tasks.popleft().candidate
        return Answer(candidate, header.print, header.fault, header.same, views, segments, data)

    def _content(self, header: Header) -> tuple[Views | None, Sequence[Prepared], bytes]:
        """Copied out of the slot, which the process may fill again."""
        if header.fault is not None or header.same:
            return None, (), b""
        kind = np.dtype(header.dtype)
        if header.in_slot:
            start = (self._taken % DEPTH) * SLOT_BYTES
            middle = start + int(np.prod(header.shape)) * kind.itemsize
            numbers = bytearray(self._memory[start:middle])
            data = bytes(self._memory[middle : middle + header.data_bytes])
        else:
            numbers, data = bytearray(self.connection.recv_bytes()), self.connection.recv_bytes()
        array = np.frombuffer(numbers, kind).reshape(header.shape)
        return *parts_of(views_of(array, header.notes, header.tokens), header.marks), data

    def stop(self) -> str:
        """End the process; gives how it ended."""
        self.connection.close()
        if self.process is None:
            return "its thread ended"
        try:
            code = self.process.wait(0 if self.stuck else ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        return f"signal {-code}, {signal.strsignal(-code)}" if code < 0 else f"exit code {code}"


class DecodePool:
    """`workers` processes that read, decode and prepare files, until closed."""

    def __init__(self, preparer: Preparer, workers: int | None = None) -> None:
        self._preparer = preparer
        try:
            self._pickled: bytes | None = pickle.dumps(preparer)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            log.info("media are decoded in threads, since %s", error)
            self._pickled = None
        self._workers = [self._new() for _ in range(workers or usual_workers())]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def idle(self) -> bool:
        """Whether nothing is on its way, so that another pass may begin."""
        return not any(worker.tasks for worker in self._workers)

    def wait(self) -> None:
        """Return when all processes have loaded what they need. Raises NotReadyError where one cannot."""
        for worker in self._workers:
            try:
                while not worker.ready:
                    worker.take()
            except (EOFError, OSError) as error:
                raise NotReadyError(f"a decoding process could not start ({worker.stop()})") from error

    def close(self) -> None:
        """End the processes, also those that are at something."""
        for worker in self._workers:
            worker.connection.close()
        for worker in self._workers:
            worker.stop()

    def run(self, errands: Iterator[Errand], stopped: Callable[[], bool] = lambda: False) -> Iterator[Answer]:
        """The answers, in no order, until all are there or `stopped`.

        Raises NotReadyError where processes cannot be started at all.
        """
        again: deque[Errand] = deque()
        while not stopped():
            yield from self._hand_out(errands, again)
            if self.idle:
                return
            yield from self._answers(again)

    def _hand_out(self, errands: Iterator[Errand], again: deque[Errand]) -> Iterator[Answer]:
        """Give every process as much as it takes; texts, which are quick, are prepared here."""
        for worker in self._workers:
            while not worker.full:
                errand = again.popleft() if again else next(errands, None)
                if errand is None:
                    return
                if errand.candidate.path is None:
                    yield self._text(errand)
                    continue
                try:
                    worker.give(errand)
                except OSError:
                    break  # its end is met with the answers

    def _text(self, errand: Errand) -> Answer:
        data = (errand.candidate.text or "").encode()
        try:
            made = prepared(self._preparer, errand.task(), data)
        except Exception as error:  # noqa: BLE001 - the text's fault, whatever it is
            return Answer(errand.candidate, fault=fault_of(error))
        return Answer(
            errand.candidate, made.print, None, made.views is None, made.views, made.segments, made.data
        )

    def _new(self) -> Worker:
        return Worker(self._preparer, self._pickled)

    def _answers(self, again: deque[Errand]) -> Iterator[Answer]:
        busy = {worker.connection: place for place, worker in enumerate(self._workers) if worker.tasks}
        for connection in wait(list(busy), TICK_S):
            assert isinstance(connection, Connection)
            place = busy[connection]
            try:
                while (answer := self._workers[place].take()) is not None:
                    yield answer
                    if not connection.poll():
                        break
            except (EOFError, OSError):
                yield from self._replaced(place, again, "died")
        for place, worker in enumerate(self._workers):
            if worker.stuck:
                yield from self._replaced(place, again, f"took longer than {SLOWEST_S:.0f} s")

    def _replaced(self, place: int, again: deque[Errand], what: str) -> Iterator[Answer]:
        """A new worker in place of one that ended: the file it was at has failed, the others go on."""
        worker = self._workers[place]
        how = worker.stop()
        if not worker.ready:
            raise NotReadyError(f"a decoding process could not start ({how}); its reason stands above")
        first, *rest = worker.tasks
        again.extend(rest)
        self._workers[place] = self._new()
        message = f"the process that decoded it {what} ({how}); the other files went on"
        yield Answer(first.candidate, fault=(message, CRASHED))
