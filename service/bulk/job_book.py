"""The jobs of a server, written down durably, so that they go on after a restart."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson

QUEUED, RUNNING = "queued", "running"
SUCCEEDED, FAILED, CANCELLED = "succeeded", "failed", "cancelled"
ACTIVE = (QUEUED, RUNNING)
MOST_KEPT = 1000  # finished ones; older ones are forgotten
FILE = "jobs.sqlite"
TABLE = """
CREATE TABLE IF NOT EXISTS jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL,
    request TEXT NOT NULL,
    progress TEXT NOT NULL,
    created_us INTEGER NOT NULL,
    updated_us INTEGER NOT NULL
)
"""
COLUMNS = "id, status, request, progress, created_us, updated_us"


@dataclass(frozen=True)
class Job:
    """`request` as it was asked for; `progress`: done, failed, total, ..; times in microseconds."""

    id: str
    status: str
    request: Mapping[str, Any]
    progress: Mapping[str, Any] = field(default_factory=dict)
    created_us: int = 0
    updated_us: int = 0


def job_of(row: tuple[Any, ...]) -> Job:
    identifier, status, request, progress, created_us, updated_us = row
    return Job(identifier, status, orjson.loads(request), orjson.loads(progress), created_us, updated_us)


class JobBook:
    """`jobs.sqlite` in the data folder, made with the first job. May be used from several threads."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def add(self, request: Mapping[str, Any]) -> Job:
        """A new job, or the one that is queued or running and asks for the same."""
        text = orjson.dumps(request, option=orjson.OPT_SORT_KEYS).decode()
        with self._lock:
            table = self._table(make=True)
            same = self._jobs("WHERE request = ? AND status IN (?, ?)", (text, *ACTIVE))
            if same:
                return same[0]
            now = time.time_ns() // 1000
            identifier = f"job-{uuid4().hex}"
            table.execute(
                f"INSERT INTO jobs ({COLUMNS}) VALUES (?, ?, ?, '{{}}', ?, ?)",  # noqa: S608 - constants only
                (identifier, QUEUED, text, now, now),
            )
            table.execute(
                "DELETE FROM jobs WHERE status NOT IN (?, ?) AND seq <= (SELECT max(seq) - ? FROM jobs)",
                (*ACTIVE, MOST_KEPT),
            )
            return self._jobs("WHERE id = ?", (identifier,))[0]

    def get(self, identifier: str) -> Job | None:
        with self._lock:
            found = self._jobs("WHERE id = ?", (identifier,))
        return found[0] if found else None

    def newest(self, limit: int) -> list[Job]:
        with self._lock:
            return self._jobs("ORDER BY seq DESC LIMIT ?", (limit,))

    def active(self) -> list[Job]:
        """Queued and running ones, oldest first."""
        with self._lock:
            return self._jobs("WHERE status IN (?, ?) ORDER BY seq", ACTIVE)

    def update(self, identifier: str, status: str, progress: Mapping[str, Any] | None = None) -> bool:
        """Change an active job; False where it has ended already and stays as it is."""
        written = None if progress is None else orjson.dumps(progress).decode()
        with self._lock:
            changed = self._table(make=True).execute(
                "UPDATE jobs SET status = ?, progress = coalesce(?, progress), updated_us = ? "
                "WHERE id = ? AND status IN (?, ?)",
                (status, written, time.time_ns() // 1000, identifier, *ACTIVE),
            )
            return changed.rowcount > 0

    def note(self, identifier: str, progress: Mapping[str, Any]) -> None:
        """Write down how far a job has come, even one that was cancelled meanwhile."""
        with self._lock:
            self._table(make=True).execute(
                "UPDATE jobs SET progress = ?, updated_us = ? WHERE id = ?",
                (orjson.dumps(progress).decode(), time.time_ns() // 1000, identifier),
            )

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _jobs(self, where: str, values: tuple[Any, ...]) -> list[Job]:
        if self._connection is None and not self._path.exists():
            return []
        rows = self._table(make=False).execute(f"SELECT {COLUMNS} FROM jobs {where}", values)  # noqa: S608 - constants
        return [job_of(row) for row in rows]

    def _table(self, *, make: bool) -> sqlite3.Connection:
        if self._connection is None:
            if make:
                self._path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute(TABLE)
        return self._connection
