"""`sensorium train`: the weights of sensorium-small from a folder of data, with a report beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from service.unreadable import plain

WEIGHTS_NAME = "sensorium-small.safetensors"


def _recipe(settings: list[str], scale: float, device: str) -> Any:
    """The recipe with the command line's changes; ends the program where one cannot be made."""
    from training.recipe import Recipe, SettingError, on_device, overridden, scaled  # noqa: PLC0415 - loads torch

    try:
        return on_device(overridden(scaled(Recipe(), scale), settings), device)
    except SettingError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error


def _chosen(modality: list[str]) -> list[str]:
    """The stages in their order; ends the program for a name that is none."""
    from training.plan import STAGES  # noqa: PLC0415 - loads torch

    unknown = [name for name in modality if name not in (*STAGES, "all")]
    if unknown:
        typer.echo(f"no tower {unknown[0]!r}; accepted are all, {', '.join(STAGES)}", err=True)
        raise typer.Exit(2)
    return [name for name in STAGES if name in modality or "all" in modality]


def _exported(plan: Any, weights: Path) -> Path | None:
    """The towers joined into one file, where every tower is there."""
    from training.plan import export_to, missing_towers  # noqa: PLC0415 - loads torch

    missing = missing_towers(plan.out)
    if missing:
        typer.echo(f"no export: {plan.out} has no finished {', '.join(missing)}")
        return None
    export_to(plan, weights)
    typer.echo(f"written to {weights}")
    return weights


def _evaluate(data: Path, weights: Path, figures: Path) -> None:
    """Measure the exported weights on the val splits, into `figures`. Raises SensoriumError, OSError."""
    from evaluation.report import as_json  # noqa: PLC0415 - loads torch
    from evaluation.run import Request  # noqa: PLC0415 - loads torch
    from evaluation.run import evaluate as measure  # noqa: PLC0415 - loads torch

    request = Request("sensorium-small", [("sensorium", data)], weights=weights)
    figures.write_bytes(as_json(measure(request)))


def train(  # noqa: PLR0913, PLR0917 - the options
    modality: Annotated[
        list[str],
        typer.Argument(metavar="MODALITY...", help="all, or some of text image audio imu thermal depth"),
    ],
    data: Annotated[Path, typer.Option(help="Folder with index.csv and the packs that it lists.")],
    out: Annotated[
        Path, typer.Option(help="Folder of checkpoints and report; a stopped run goes on from it.")
    ],
    cache: Annotated[
        Path | None, typer.Option(help="Folder of decoded pictures and sounds (default: OUT/cache).")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help=f"File to export to (default: OUT/{WEIGHTS_NAME}).")
    ] = None,
    text_from: Annotated[
        Path | None, typer.Option(help="Take the text tower of these weights instead of distilling one.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda")] = "cpu",
    threads: Annotated[int, typer.Option(min=1, help="Threads of each process.")] = 1,
    workers: Annotated[int, typer.Option(min=1, help="Processes that share the image tower's batches.")] = 1,
    steps_scale: Annotated[float, typer.Option(help="Every stage this many times as long.")] = 1.0,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="STAGE.FIELD=VALUE, e.g. image.steps=1000; repeatable.")
    ] = None,
    *,
    evaluate: Annotated[bool, typer.Option(help="Measure the exported weights on the val splits.")] = True,
) -> None:
    """Train towers of sensorium-small, join them into one file, and write a report beside it."""
    from models.errors import SensoriumError  # noqa: PLC0415 - loads torch through the package
    from training.plan import Plan, carry_out  # noqa: PLC0415 - loads torch
    from training.report import write_report  # noqa: PLC0415 - loads torch

    recipe = _recipe(settings or [], steps_scale, device)
    plan = Plan(data, out, _chosen(modality), recipe, cache, text_from, threads, workers)

    try:
        carry_out(plan)
        written = _exported(plan, weights or out / WEIGHTS_NAME)
        typer.echo(f"report: {write_report(data, out, written)}")
        if evaluate and written is not None:
            _evaluate(data, written, out / "figures.json")
            write_report(data, out, written)
    except (SensoriumError, ValueError, OSError) as error:
        typer.echo(plain(error), err=True)
        raise typer.Exit(1) from error
