"""`sensorium doctor`: what would hinder a start, and what to do about it."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import orjson
import typer


def doctor(  # noqa: PLR0913 - the options
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    model: Annotated[str | None, typer.Option(help="Model to load (see `sensorium models`).")] = None,
    weights: Annotated[
        Path | None, typer.Option(help="File with the weights, in place of the usual ones.")
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the collections.")] = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="One JSON object in place of lines.")] = False,
) -> None:
    """Look at everything that a start of the server needs, with its settings, and change nothing.

    Each line is ok, warn or fail with what to do. The exit code is 1 where something fails.
    """
    from service.doctor.examination import examine  # noqa: PLC0415 - loads torch and faiss, if it can

    options = {"host": host, "port": port, "model": model, "weights": weights, "data_dir": data_dir}
    given = {name: value for name, value in options.items() if value is not None}
    found = []
    for each in examine(given, os.environ):
        found.append(each)
        if not json:
            remedy = f"\n      {'':<20} -> {each.remedy}" if each.remedy else ""
            typer.echo(f"{each.status:<5} {each.check:<20} {each.message}{remedy}")
    good = all(each.status != "fail" for each in found)
    if json:
        typer.echo(orjson.dumps({"ok": good, "checks": [asdict(each) for each in found]}).decode())
    raise typer.Exit(0 if good else 1)
