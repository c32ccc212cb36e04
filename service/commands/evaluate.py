"""`sensorium evaluate`: figures of a model on data sets that the user has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from service.unreadable import plain

PAGE = 120  # columns of the table where no terminal says how wide it is


def _placed(datasets: list[str], roots: list[Path]) -> list[tuple[str, Path]]:
    """A root for every data set: one each, or one for all (or with a folder of each one's name)."""
    if len(roots) == len(datasets) and len(roots) > 1:
        return list(zip(datasets, roots, strict=True))
    if len(roots) != 1:
        typer.echo("give one --root, or as many as --dataset", err=True)
        raise typer.Exit(2)
    return [(name, roots[0] / name if (roots[0] / name).is_dir() else roots[0]) for name in datasets]


def _report(request: Any) -> Any:
    """The figures; ends the program where it cannot be done as asked."""
    from evaluation.run import evaluate as run  # noqa: PLC0415 - loads torch
    from models.errors import SensoriumError  # noqa: PLC0415 - loads torch through the package

    try:
        return run(request)
    except (SensoriumError, OSError) as error:
        typer.echo(f"{request.model}: {plain(error)}", err=True)
        raise typer.Exit(1) from error


def _written(report: Any, json: Path | None, plots: Path | None) -> None:
    from evaluation.plots import write  # noqa: PLC0415 - with the rest of the evaluation
    from evaluation.report import as_json  # noqa: PLC0415 - with the rest of the evaluation

    try:
        if json:
            json.parent.mkdir(parents=True, exist_ok=True)
            json.write_bytes(as_json(report))
        if plots:
            write(report.figures, plots)
    except OSError as error:
        typer.echo(plain(error), err=True)
        raise typer.Exit(1) from error


def evaluate(  # noqa: PLR0913, PLR0917 - the options
    model: Annotated[str, typer.Argument(help="Model to evaluate (see `sensorium models`).")],
    dataset: Annotated[
        list[str] | None,
        typer.Option(help="Data set; may be given several times. Without it, all are listed."),
    ] = None,
    root: Annotated[list[Path] | None, typer.Option(help="Its folder: one for all, or one for each.")] = None,
    split: Annotated[str | None, typer.Option(help="Split; each data set has a usual one.")] = None,
    weights: Annotated[Path | None, typer.Option(help="File with the weights, not the usual ones.")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1")] = "cpu",
    precision: Annotated[str, typer.Option(help="fp32, bf16, int8 (CPU), fp16 (GPU) or auto")] = "fp32",
    prompts: Annotated[
        list[str] | None, typer.Option(help="Sentences for names; several times. Each task has usual ones.")
    ] = None,
    variant: Annotated[
        list[str] | None, typer.Option(help="How depth or thermal is prepared, e.g. metres+filled.")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Most items per task, evenly spread.")] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder that keeps vectors for the next run.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Threads that decode.")] = 1,
    json: Annotated[Path | None, typer.Option(help="File for all figures as JSON.")] = None,
    plots: Annotated[Path | None, typer.Option(help="Folder for charts as SVG.")] = None,
    *,
    sweep: Annotated[bool, typer.Option("--sweep", help="Try all variants of depth and thermal.")] = False,
) -> None:
    """Measure a model: zero-shot, retrieval and gaps with 95 % intervals, on data sets that you have."""
    from rich.console import Console  # noqa: PLC0415 - for this command only

    from evaluation.report import tables  # noqa: PLC0415 - loads torch
    from evaluation.run import Request  # noqa: PLC0415 - loads torch

    if sweep and variant:
        typer.echo("--sweep tries all variants; leave --variant out", err=True)
        raise typer.Exit(2)
    request = Request(
        model=model,
        datasets=_placed(dataset, root or [Path()]) if dataset else [],
        weights=weights,
        device=device,
        precision=precision,
        split=split,
        limit=limit,
        prompts=prompts,
        variants=None if sweep else (variant or ["plain"]),
        cache=cache,
        workers=workers,
    )
    report = _report(request)
    console = Console(width=None if Console().is_terminal else PAGE)
    for table in tables(report):
        console.print(table)
    for note in report.notes:
        typer.echo(note, err=True)
    _written(report, json, plots)
    if not report.figures:
        raise typer.Exit(1)
