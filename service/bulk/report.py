"""What became of all files: counted, with the faults by name."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from service.bulk.candidates import Fault, listed_endings

MOST_FAULTS = 10_000
SHOWN = 20


@dataclass
class Report:
    """`stored` counts new and changed items, `replaced` the changed ones among them.

    `unchanged` were there already, `deleted` had vanished from the source, `passed` are files that are no
    media, by ending; of more than MOST_FAULTS faults the first are kept. `finished`: the source was gone
    through to its end; `unpruned`: nothing was deleted, though asked for. May be used from several threads.
    """

    stored: int = 0
    replaced: int = 0
    unchanged: int = 0
    failed: int = 0
    deleted: int = 0
    passed: Counter[str] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)
    stored_by_modality: Counter[str] = field(default_factory=Counter)
    total: int | None = None
    finished: bool = False
    unpruned: bool = False
    began: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def store(self, modality: str, *, replaced: bool) -> None:
        with self._lock:
            self.stored += 1
            self.replaced += replaced
            self.stored_by_modality[modality] += 1

    def leave(self) -> None:
        with self._lock:
            self.unchanged += 1

    def fail(self, fault: Fault) -> None:
        with self._lock:
            self.failed += 1
            if len(self.faults) < MOST_FAULTS:
                self.faults.append(fault)

    def pass_over(self, ending: str) -> None:
        with self._lock:
            self.passed[ending] += 1

    @property
    def done(self) -> int:
        """Files that are in the collection."""
        return self.stored + self.unchanged

    @property
    def seen(self) -> int:
        return self.done + self.failed + sum(self.passed.values())

    @property
    def settled(self) -> int:
        """Files that were to be stored, and are or cannot be."""
        return self.done + self.failed

    @property
    def expected(self) -> int | None:
        """How many there are in all as far as is known: sidecars and what is no media do not count."""
        if self.finished:
            return self.settled
        return None if self.total is None else max(self.total - sum(self.passed.values()), self.settled)

    @property
    def rate(self) -> float:
        """Files stored in a second, since the beginning."""
        return self.stored / max(time.monotonic() - self.began, 1e-9)

    @property
    def may_prune(self) -> bool:
        """Whether every file was met: one that could not be read is not one that is gone."""
        return self.finished and self.failed == 0 and self.seen > 0

    def object(self) -> dict[str, Any]:
        """The report as JSON."""
        with self._lock:
            return {
                "stored": self.stored,
                "replaced": self.replaced,
                "unchanged": self.unchanged,
                "failed": self.failed,
                "deleted": self.deleted,
                "passed_over": dict(self.passed),
                "stored_by_modality": dict(self.stored_by_modality),
                "seconds": round(time.monotonic() - self.began, 3),
                "rate": round(self.rate, 3),
                "finished": self.finished,
                "errors": [error_object(each) for each in self.faults],
            }

    def lines(self) -> list[str]:
        """For people: what was done, then the first faults."""
        by = ", ".join(f"{count} {name}" for name, count in self.stored_by_modality.most_common())
        by = f" ({by})" if by else ""
        told = [f"{self.stored} stored{by}, {self.unchanged} unchanged, {self.failed} failed"]
        if self.replaced:
            told[0] += f"; {self.replaced} of the stored ones had changed"
        if self.deleted:
            told[0] += f"; {self.deleted} deleted, whose files are gone"
        if self.unpruned:
            empty = "the source holds no files at all, as a disk that is not mounted does"
            broken = "only after a whole pass without failures is it known what is gone"
            told.append(f"nothing was deleted: {empty if self.finished and not self.seen else broken}")
        if self.passed:
            told.append(f"passed over: {sum(self.passed.values())} files ({listed_endings(self.passed)})")
        told += [f"  {fault.file}: {fault.message}" for fault in self.faults[:SHOWN]]
        if self.failed > SHOWN:
            told.append(f"  and {self.failed - SHOWN} more (--report FILE holds them)")
        return told


def error_object(fault: Fault) -> Mapping[str, str]:
    shown = fault.file.encode("utf-8", "replace").decode()
    return {"file": shown, "message": fault.message, "code": fault.code}


def write_report(path: Path, report: Report) -> None:
    """Raises OSError."""
    path.write_bytes(orjson.dumps(report.object(), option=orjson.OPT_INDENT_2) + b"\n")
