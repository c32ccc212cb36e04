"""`sensorium classify`: which of some labels fits a file best, without any training."""

from __future__ import annotations

import tempfile
from pathlib import Path, PurePath
from typing import Annotated, Any

import orjson
import typer

from service.commands.options import (
    Baseline,
    Coldest,
    FocalLength,
    Key,
    SampleRate,
    Server,
    Unit,
    Warmest,
    settings_from,
)
from service.commands.search import file_part
from service.unreadable import plain


def part_of(path: Path, modality: str | None, params: dict[str, Any]) -> dict[str, Any]:
    """Ends the program where nothing tells what the file is. Raises ServerError, OSError."""
    from service.bulk.kinds import OPEN, modality_of  # noqa: PLC0415 - loads torch

    named = modality or modality_of(path, PurePath(path.name))
    if named is None or named == OPEN:
        typer.echo(
            f"nothing tells what {path} is; add --modality, such as image, audio, depth or imu", err=True
        )
        raise typer.Exit(2)
    if named == "text":
        return {"text": path.read_text(encoding="utf-8", errors="replace")}
    return file_part(named, path, params)


def classify(  # noqa: PLR0913, PLR0917 - the options
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What to classify.")],
    labels: Annotated[str, typer.Option(help="Comma list: dog,cat,rain")],
    templates: Annotated[
        str | None,
        typer.Option(help="plain, photo, sound, .., or prompts with {} for the label, between bars: a|b"),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many labels to show.")] = 5,
    modality: Annotated[
        str | None, typer.Option(help="What the file is, where its name leaves it open.")
    ] = None,
    sample_rate: SampleRate = None,
    unit: Unit = None,
    fx: FocalLength = None,
    baseline: Baseline = None,
    min_c: Coldest = None,
    max_c: Warmest = None,
    server: Server = None,
    key: Key = None,
    model: Annotated[str | None, typer.Option(help="Without --server: model to load.")] = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print the service's answer as JSON.")] = False,
) -> None:
    """Tell which of the labels fits a file best, with probabilities among them."""
    from service.bulk.asking import Asking  # noqa: PLC0415 - loads what it asks
    from service.bulk.server import ServerError  # noqa: PLC0415 - as above

    given = [sample_rate, unit, fx, baseline, min_c, max_c]
    params = dict(zip(("sample_rate", "unit", "fx", "baseline", "min_c", "max_c"), given, strict=True))
    named = [each.strip() for each in labels.split(",") if each.strip()]
    body: dict[str, Any] = {"labels": named, "top_k": top}
    if templates is not None:
        body["templates"] = templates.split("|") if "{}" in templates else templates
    try:
        body["input"] = part_of(file, modality, params)
        # No collection is needed, and the usual data folder may belong to a server.
        with (
            tempfile.TemporaryDirectory() as folder,
            Asking(settings_from(model=model, data_dir=folder), server, key) as asking,
        ):
            answer = asking.post("/v1/classify", body)
    except (ServerError, OSError) as error:
        typer.echo(plain(error), err=True)
        raise typer.Exit(1) from error
    if json:
        typer.echo(orjson.dumps(answer))
        return
    for each in answer["data"][0]["labels"]:
        typer.echo(f"{each['probability']:6.1%}  {each['score']:.3f}  {each['label']}")
