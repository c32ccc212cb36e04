"""`sensorium backup`: a copy of the data folder, made while a server uses it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.unreadable import plain

if TYPE_CHECKING:
    from index import Backup

DataDir = Annotated[
    Path,
    typer.Option(envvar="SENSORIUM_DATA_DIR", help="Folder of the collections."),
]
DEFAULT_DATA_DIR = Path("data")


def tell(verb: str, told: Backup) -> None:
    """Say what was copied; what could not be goes to stderr, and the exit code is 1."""
    names = ", ".join(told.collections) or "none"
    typer.echo(f"{verb} {told.path}: {len(told.collections)} collections ({names})")
    for fault in told.faults:
        typer.echo(f"left out: {fault}", err=True)
    if told.faults:
        raise typer.Exit(1)


def backup(
    destination: Annotated[Path, typer.Argument(help="New or empty folder for the copy.")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Copy all collections, each as it is at one moment, and label sets; a server may go on meanwhile.

    The copy is checked, takes its place as a whole, and is a data folder itself. Whatever is damaged is left
    out and named on stderr; the exit code is then 1.
    """
    from index import Store, errors  # noqa: PLC0415 - loads faiss
    from service.label_sets import LabelSets  # noqa: PLC0415 - loads faiss

    try:
        told = Store.back_up(data_dir, destination)
        LabelSets(data_dir).copy_to(destination)
    except (errors.StoreError, OSError) as error:
        typer.echo(plain(error), err=True)
        raise typer.Exit(1) from error
    tell("copied to", told)
