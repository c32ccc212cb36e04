"""The command `sensorium`. What is heavy is imported only by the command that needs it."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

import orjson
import typer

from service import logs
from service.commands.backup import backup
from service.commands.bind import bind
from service.commands.classify import classify
from service.commands.doctor import doctor
from service.commands.evaluate import evaluate
from service.commands.ingest import ingest
from service.commands.keys import keys
from service.commands.mcp import mcp
from service.commands.options import (
    Baseline,
    Coldest,
    FocalLength,
    SampleRate,
    Unit,
    Warmest,
    settings_from,
)
from service.commands.reembed import reembed
from service.commands.restore import restore
from service.commands.search import search
from service.commands.train import train
from service.stopping import end_at_once
from service.unread import told, unread
from service.unreadable import plain

log = logging.getLogger(__name__)

cli = typer.Typer(
    help="Text, images, video, sound, depth, thermal pictures and movement in one searchable space.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Model = Annotated[str | None, typer.Option(help="Model to load (see `sensorium models`).")]
Weights = Annotated[Path | None, typer.Option(help="File with the weights, in place of the usual ones.")]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1")]
Bound = Annotated[
    list[str] | None, typer.Option(help="Folder of a sense that was bound to the model; repeatable.")
]
Precision = Annotated[str | None, typer.Option(help="fp32, bf16, int8 (CPU), fp16 (GPU) or auto")]
ONE_WORKER = (
    "--workers is not accepted: every worker would hold the weights in memory once more, and only one "
    "process may write a data folder. One process already uses all cores: the encoders by themselves, "
    "decoding with SENSORIUM_DECODE_THREADS. For more, put servers with folders of their own behind a proxy."
)


@cli.command()
def serve(  # noqa: PLR0913, PLR0917 - the options
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    model: Model = None,
    weights: Weights = None,
    modalities: Annotated[str | None, typer.Option(help="Comma list of modalities to load.")] = None,
    bound: Bound = None,
    device: Device = None,
    precision: Precision = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the collections.")] = None,
    workers: Annotated[int, typer.Option(hidden=True)] = 1,
) -> None:
    """Serve over HTTP. Every setting can also be given as SENSORIUM_*; options win."""
    if workers != 1:
        typer.echo(ONE_WORKER, err=True)
        raise typer.Exit(2)
    settings = settings_from(
        host=host,
        port=port,
        model=model,
        weights=weights,
        modalities=modalities,
        bound=bound or None,
        device=device,
        precision=precision,
        data_dir=data_dir,
    )
    logs.write_to_stderr(settings.log_level, settings.log_format)
    for name, meant in unread(os.environ).items():
        log.warning(told(name, meant))
    end_at_once()
    from service.server import run  # noqa: PLC0415 - loads torch

    raise typer.Exit(run(settings))


@cli.command()
def embed(  # noqa: PLR0913, PLR0917 - the options
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files to embed.")],
    model: Model = None,
    weights: Weights = None,
    modality: Annotated[
        str | None, typer.Option(help="What the files are, where their endings leave it open.")
    ] = None,
    bound: Bound = None,
    device: Device = None,
    precision: Precision = None,
    sample_rate: SampleRate = None,
    unit: Unit = None,
    fx: FocalLength = None,
    baseline: Baseline = None,
    min_c: Coldest = None,
    max_c: Warmest = None,
    clips: Annotated[int | None, typer.Option(help="Audio, video: how many clips to take.")] = None,
) -> None:
    """Print one JSON line per file: file, modality, embedding.

    A file that cannot be used is named on stderr; the others go on, and the exit code is 1.
    """
    settings = settings_from(
        model=model, weights=weights, bound=bound or None, device=device, precision=precision
    )
    from service import embed_files  # noqa: PLC0415 - loads torch

    params = {
        "sample_rate": sample_rate,
        "unit": unit,
        "fx": fx,
        "baseline": baseline,
        "min_c": min_c,
        "max_c": max_c,
        "clips": clips,
    }
    given = {name: value for name, value in params.items() if value is not None}
    raise typer.Exit(embed_files.run(settings, files, modality, given))


@cli.command("models")
def list_models(
    *, json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False
) -> None:
    """List the models that can be loaded, with modalities, size and licence."""
    from models.registry import REGISTRY  # noqa: PLC0415 - loads torch through the package

    for entry in REGISTRY.values():
        if json:
            typer.echo(orjson.dumps(entry).decode())
            continue
        size = "" if entry.size_bytes is None else f"{entry.size_bytes / 1e6:.0f} MB, "
        dimension = "" if entry.dimension is None else f"{entry.dimension} dimensions, "
        typer.echo(f"{entry.name}\n  {entry.description}")
        typer.echo(
            f"  {', '.join(entry.modalities)}\n  {dimension}{size}{entry.licence}\n  from: {entry.source}"
        )


@cli.command()
def convert(
    source: Annotated[Path, typer.Argument(help="ImageBind checkpoint (.pth).")],
    destination: Annotated[Path, typer.Argument(help="Folder for the converted weights.")],
) -> None:
    """Convert an ImageBind checkpoint to one safetensors file per modality."""
    from models.convert import convert as convert_checkpoint  # noqa: PLC0415 - loads torch
    from models.errors import SensoriumError  # noqa: PLC0415 - loads torch through the package

    try:
        convert_checkpoint(source, destination)
    except (SensoriumError, OSError) as error:
        typer.echo(plain(error), err=True)
        raise typer.Exit(1) from error
    typer.echo(f"written to {destination}")


# name on the command line: what it runs
COMMANDS: Mapping[str, Callable[..., None]] = MappingProxyType(
    {
        "backup": backup,
        "bind": bind,
        "classify": classify,
        "doctor": doctor,
        "evaluate": evaluate,
        "ingest": ingest,
        "mcp": mcp,
        "reembed": reembed,
        "restore": restore,
        "search": search,
        "train": train,
    }
)
for name, command in COMMANDS.items():
    cli.command(name)(command)
cli.add_typer(keys, name="keys")


def main() -> None:
    """The console command."""
    cli()
