"""`sensorium reembed`: a collection of another model becomes one of the loaded model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from service.commands.options import settings_from


def reembed(  # noqa: PLR0913, PLR0917 - the options
    collection: Annotated[str, typer.Argument(help="Name of the collection.")],
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the collections.")] = None,
    model: Annotated[str | None, typer.Option(help="Model to encode with (see `sensorium models`).")] = None,
    weights: Annotated[
        Path | None, typer.Option(help="File with the weights, in place of the usual ones.")
    ] = None,
    bound: Annotated[
        list[str] | None, typer.Option(help="Folder of a sense that was bound to the model; repeatable.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1")] = None,
    precision: Annotated[str | None, typer.Option(help="fp32, bf16, int8 (CPU), fp16 (GPU) or auto")] = None,
    *,
    drop_missing: Annotated[
        bool, typer.Option("--drop-missing", help="Go on without items that cannot be encoded again.")
    ] = False,
) -> None:
    """Encode all items of a collection again, from the media it keeps; ids, metadata and times stay.

    No server may run on the folder. The collection stays as it was until all is done; after an interruption
    the same command goes on. Items that were stored as vectors or blends, or in a collection that keeps no
    media, cannot be encoded again: they are named, and nothing is changed without --drop-missing.
    """
    settings = settings_from(
        data_dir=data_dir,
        model=model,
        weights=weights,
        bound=bound or None,
        device=device,
        precision=precision,
    )
    from service import reembedding  # noqa: PLC0415 - loads torch

    raise typer.Exit(reembedding.run(settings, collection, drop_missing=drop_missing))
