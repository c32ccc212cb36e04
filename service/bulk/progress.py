"""How far an ingest is: a bar with rate and time left in a terminal, lines in a log, nothing when quiet."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from service.bulk.report import Report

BAR_EVERY_S = 0.25
LINE_EVERY_S = 5.0


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - the command's output


def line_of(report: Report) -> str:
    """`120/5000 files  85.2/s  1.0 min left, 2 failed`."""
    total = "?" if report.expected is None else str(report.expected)
    failed = f", {report.failed} failed" if report.failed else ""
    left = ""
    if report.expected is not None and report.rate > 0:
        left = f"  {(report.expected - report.settled) / report.rate / 60:.1f} min left"
    return f"{report.settled}/{total} files  {report.rate:.1f}/s{left}{failed}"


def bar(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:.1f}/s"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[failed]}"),
        console=console,
    )


def show(report: Report, progress: Progress, task: TaskID) -> None:
    failed = f"{report.failed} failed" if report.failed else ""
    progress.update(task, total=report.expected, completed=report.settled, rate=report.rate, failed=failed)


@contextmanager
def shown(report: Report, *, quiet: bool) -> Iterator[None]:
    """Tell on stderr how far `report` is, as long as inside."""
    console = Console(stderr=True)
    over = threading.Event()

    def lines() -> None:
        while not over.wait(LINE_EVERY_S):
            say(line_of(report))

    def bars() -> None:
        with bar(console) as progress:
            task = progress.add_task("", total=None, rate=0.0, failed="")
            while not over.wait(BAR_EVERY_S):
                show(report, progress, task)
            show(report, progress, task)

    thread = (
        None if quiet else threading.Thread(target=bars if console.is_terminal else lines, name="progress")
    )
    if thread is not None:
        thread.start()
    try:
        yield
    finally:
        over.set()
        if thread is not None:
            thread.join()
