"""`sensorium bind`: a new sense for a model, from a user's own pairs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.unreadable import plain

if TYPE_CHECKING:
    from models.bound.card import Card


def told(card: Card, out: Path) -> str:
    """What to do with the result."""
    return (
        f"written to {out} (figures and what was left out: {out / 'report.md'})\n\n"
        f"  sensorium serve --model {card.to} --bound {out}\n"
        f"  sensorium embed --model {card.to} --bound {out} --modality {card.name} FILE\n"
    )


def bind(  # noqa: PLR0913, PLR0917 - the options
    pairs: Annotated[
        Path,
        typer.Argument(
            metavar="PAIRS",
            help="CSV or JSON lines: column `file`, an anchor in `text`, `image` or another sense of the "
            "model, and if you like `label` and `split`.",
        ),
    ],
    modality: Annotated[str, typer.Option(help="Name of the new sense, such as touch.")],
    to: Annotated[str, typer.Option(help="Model to bind to (see `sensorium models`).")] = "sensorium-small",
    weights: Annotated[
        Path | None, typer.Option(help="File with the model's weights, in place of the usual ones.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to make; by default that of the name.")] = None,
    net: Annotated[
        str | None,
        typer.Option(
            help="In place of what the files' shapes suggest: linear or mlp (vectors), series, map, or "
            "image, audio, depth, thermal, imu (files of that sense)."
        ),
    ] = None,
    size: Annotated[
        int | None, typer.Option(help="Series: samples of a window. Maps: pixels of the longer side.")
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Most steps; training stops before where it can.")] = 2000,
    batch: Annotated[int, typer.Option(min=2, help="Files in a step.")] = 256,
    rate: Annotated[float, typer.Option(min=1e-8, max=1.0, help="Highest learning rate.")] = 1e-3,
    holdout: Annotated[float, typer.Option(min=0.01, max=0.9, help="Share that is held out.")] = 0.2,
    seed: Annotated[int, typer.Option(min=0, help="Same data, same seed: same tower.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1")] = "cpu",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a finished modality.")] = False,  # noqa: FBT002 - an option
) -> None:
    """Bind a new sense to a model: train a small tower for your files onto the model's frozen space.

    A stopped run goes on where it was. The folder it makes is loaded with `sensorium serve --bound FOLDER`.
    """
    import models  # noqa: PLC0415 - loads torch
    from models.bound.card import expect_name  # noqa: PLC0415 - loads torch
    from models.errors import SensoriumError  # noqa: PLC0415 - loads torch through the package
    from training.binding.bind import Request, expect_free, needed_encoders  # noqa: PLC0415 - loads torch
    from training.binding.bind import bind as bind_sense  # noqa: PLC0415 - loads torch
    from training.binding.config import BindConfig  # noqa: PLC0415 - loads torch through the package

    folder = out or Path(modality)
    config = BindConfig(steps=steps, batch=batch, rate=rate, holdout=holdout, seed=seed)
    try:
        request = Request(pairs, expect_name(modality), folder, net, size, device, overwrite)
        expect_free(request)
        encoders = needed_encoders(pairs, to)
        embedder = models.load(to, weights=weights, modalities=encoders, device=device)
        card = bind_sense(embedder, request, config, typer.echo)
    except (SensoriumError, OSError) as error:
        typer.echo(plain(error), err=True)
        raise typer.Exit(1) from error
    typer.echo(told(card, folder))
