"""`sensorium restore`: a data folder from a backup."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from service.commands.backup import DEFAULT_DATA_DIR, DataDir, tell
from service.unreadable import plain


def restore(
    source: Annotated[Path, typer.Argument(help="Folder that `sensorium backup` made.")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
    collection: Annotated[
        str | None, typer.Option(help="Put back this one beside the others, in place of a damaged one.")
    ] = None,
) -> None:
    """Put a backup into a data folder without collections, or one of its collections into any.

    No server may run on the folder. All of it is checked first; nothing that is whole is ever replaced.
    """
    from index import Store, errors  # noqa: PLC0415 - loads faiss
    from service.label_sets import LabelSets  # noqa: PLC0415 - loads faiss

    try:
        told = Store.restore(source, data_dir, collection)
        if collection is None:
            LabelSets(source).copy_to(data_dir)
    except (errors.StoreError, OSError) as error:
        typer.echo(plain(error), err=True)
        raise typer.Exit(1) from error
    tell("restored to", told)
