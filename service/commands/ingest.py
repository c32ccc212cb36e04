"""`sensorium ingest`: a folder, a pattern or a manifest into a collection."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from service.commands.options import DataDir, Key, Server, settings_from
from service.unreadable import plain

INTERRUPTED = 130
SHOW_CURSOR = b"\x1b[?25h"  # which the bar has hidden


def one_way(server: str | None, data_dir: Path | None) -> None:
    """Ends the program where both are given."""
    if server is not None and data_dir is not None:
        typer.echo("give either --server or --data-dir: a server has its own data folder", err=True)
        raise typer.Exit(2)


def expect_writable(report: Path) -> None:
    """Ends the program where the report could not be written at its end; makes the file."""
    try:
        report.open("ab").close()
    except OSError as error:
        typer.echo(f"the report {report} cannot be written: {error.strerror}", err=True)
        raise typer.Exit(2) from error


@contextlib.contextmanager
def stopped_by_ctrl_c() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C (or SIGTERM) sets; the second one ends the program at once.

    What is stored is durable at any moment, and the batches in the encoder would be waited for.
    """
    stop = threading.Event()

    def ask(_: int, __: FrameType | None) -> None:
        if stop.is_set():
            if sys.stderr.isatty():
                os.write(sys.stderr.fileno(), SHOW_CURSOR)
            os._exit(INTERRUPTED)
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ingest(  # noqa: PLR0913, PLR0917 - the options
    source: Annotated[
        str,
        typer.Argument(metavar="FOLDER|PATTERN|FILE|MANIFEST", help="What to store, e.g. 'photos/**/*.jpg'."),
    ],
    collection: Annotated[str, typer.Option(help="Where to store it; made if missing.")],
    server: Server = None,
    key: Key = None,
    data_dir: DataDir = None,
    modality: Annotated[
        str | None, typer.Option(help="What the files are, where neither a sidecar nor a manifest says it.")
    ] = None,
    prefix: Annotated[str, typer.Option(help="Begins every id, so that folders do not collide.")] = "",
    exclude: Annotated[
        list[str] | None, typer.Option(help="Pattern of files to leave out; repeatable.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write what was done as JSON to this file.")] = None,
    model: Annotated[str | None, typer.Option(help="Without --server: model to load.")] = None,
    weights: Annotated[Path | None, typer.Option(help="Without --server: file with the weights.")] = None,
    device: Annotated[str | None, typer.Option(help="Without --server: cpu, cuda, cuda:1")] = None,
    precision: Annotated[str | None, typer.Option(help="Without --server: fp32, bf16, int8 or auto")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=256, help="Without --server: processes that decode.")
    ] = None,
    *,
    text: Annotated[bool, typer.Option("--text", help="Store text files (.txt, .md) too.")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Take over ids of items that came from elsewhere.")
    ] = False,
    prune: Annotated[bool, typer.Option("--prune", help="Delete items whose files are gone.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only the result.")] = False,
) -> None:
    """Store every media file of a folder; started again, only what is new or has changed.

    Interrupted at any moment (Ctrl-C, a crash), the same command goes on. Files that cannot be used are
    listed at the end, and the exit code is then 1.
    """
    one_way(server, data_dir)
    settings = settings_from(
        data_dir=data_dir, model=model, weights=weights, device=device, precision=precision
    )
    from service.bulk import local, remote  # noqa: PLC0415 - loads torch
    from service.bulk.report import Report, write_report  # noqa: PLC0415 - with them
    from service.bulk.sources import Wishes  # noqa: PLC0415 - with them

    if report is not None:
        expect_writable(report)
    wishes = Wishes(modality, text, prefix, tuple(exclude or ()))
    order = local.Order(collection, source, wishes, replace, prune)
    told = Report()
    with stopped_by_ctrl_c() as stop:
        if server is not None:
            failure = _run(lambda: remote.ingest(server, key, order, told, stop), told, quiet=quiet)
        else:
            failure = _run(lambda: local.ingest(settings, order, told, stop, workers), told, quiet=quiet)
        interrupted = stop.is_set() and failure is None and not told.finished
    if report is not None:
        write_report(report, told)
    for line in told.lines():
        typer.echo(line, err=True)
    if failure is not None:
        typer.echo(failure, err=True)
    if interrupted:
        typer.echo("interrupted; the same command goes on", err=True)
    raise typer.Exit(INTERRUPTED if interrupted else int(failure is not None or told.failed > 0))


def _run(work: Callable[[], None], told: Any, *, quiet: bool) -> str | None:
    """What went wrong as a whole, if anything."""
    from index.errors import StoreError  # noqa: PLC0415 - loads faiss
    from models.errors import SensoriumError  # noqa: PLC0415 - loads torch
    from service.bulk.progress import shown  # noqa: PLC0415 - with them
    from service.bulk.server import ServerError  # noqa: PLC0415 - with them

    try:
        with shown(told, quiet=quiet):
            work()
    except (ServerError, SensoriumError, StoreError, OSError) as error:
        return plain(error)
    return None
