"""`sensorium search`: the items of a collection nearest to anything, as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any
from urllib.parse import quote

import orjson
import typer

from service.commands.ingest import one_way
from service.commands.options import (
    Baseline,
    Coldest,
    DataDir,
    FocalLength,
    Key,
    SampleRate,
    Server,
    Unit,
    Warmest,
    settings_from,
)

Files = Annotated[list[Path] | None, typer.Option(help="A file to search with; repeatable.")]
# modality -> what its decoder may be told
PARAMS: Mapping[str, Sequence[str]] = MappingProxyType(
    {"depth": ("unit", "fx", "baseline"), "thermal": ("min_c", "max_c"), "imu": ("sample_rate", "unit")}
)
# A unit that means one modality is not told to the other.
OF_UNIT: Mapping[str, str] = MappingProxyType(
    {**dict.fromkeys(("m", "mm", "relative"), "depth"), **dict.fromkeys(("si", "g"), "imu")}
)
ENDINGS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys((".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"), "image"),
        **dict.fromkeys((".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".aac"), "audio"),
        **dict.fromkeys((".mp4", ".m4v", ".webm", ".mov", ".mkv"), "video"),
    }
)

MARK = "ingest"


def file_part(modality: str, path: Path, params: Mapping[str, Any]) -> dict[str, Any]:
    """Raises ServerError where the file cannot be read."""
    from service.bulk.asking import encoded  # noqa: PLC0415 - only where it is needed

    accepted = {name: params[name] for name in PARAMS.get(modality, ()) if params.get(name) is not None}
    if OF_UNIT.get(accepted.get("unit", ""), modality) != modality:
        del accepted["unit"]
    return {modality: encoded(path), **accepted}


def minus_part(given: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """A picture, sound or video where `given` is the name of such a file, else a text."""
    modality = ENDINGS.get(Path(given).suffix.lower())
    if modality is not None and Path(given).is_file():
        return file_part(modality, Path(given), params)
    return {"text": given}


def weighted(parts: Sequence[dict[str, Any]], minus: int, weights: Sequence[float]) -> list[dict[str, Any]]:
    """The last `minus` parts lead away. Ends the program where there are more weights than parts."""
    if len(weights) > len(parts):
        typer.echo(f"{len(weights)} weights for {len(parts)} parts of the query", err=True)
        raise typer.Exit(2)
    each = [*weights, *[1.0] * (len(parts) - len(weights))]
    signs = [1.0] * (len(parts) - minus) + [-1.0] * minus
    return [{**part, "weight": sign * w} for part, sign, w in zip(parts, signs, each, strict=True)]


def filter_of(text: str | None) -> dict[str, Any] | None:
    """Ends the program where it is no JSON object."""
    if text is None:
        return None
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        typer.echo(f"--filter is not valid JSON: {error}", err=True)
        raise typer.Exit(2) from error
    if not isinstance(value, dict):
        typer.echo('--filter has to be a JSON object, such as {"must": [..]}', err=True)
        raise typer.Exit(2)
    return value


def table_rows(results: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    """Rank, score, calibrated score, modality, id, and the metadata without the mark of an ingest."""
    for rank, each in enumerate(results, start=1):
        calibrated = "" if each["calibrated"] is None else f"{each['calibrated']:.1f}"
        metadata = each.get("metadata") or {}
        said = ", ".join(f"{name}: {value}" for name, value in metadata.items() if name != MARK)
        segment = each.get("segment")
        where = f" {segment['start_s']:.1f}-{segment['end_s']:.1f} s" if segment else ""
        yield str(rank), f"{each['score']:.3f}", calibrated, each["modality"], f"{each['id']}{where}", said


def show_table(results: Sequence[Mapping[str, Any]]) -> None:
    from rich.console import Console  # noqa: PLC0415 - only where something is shown
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    table = Table(box=None, pad_edge=False)
    for name in ("", "score", "calibrated"):
        table.add_column(name, justify="right")
    for name in ("modality", "id", "metadata"):
        table.add_column(name, overflow="fold")
    for row in table_rows(results):
        table.add_row(*map(Text, row))
    Console().print(table)


def search(  # noqa: PLR0913, PLR0917 - the options
    collection: Annotated[str, typer.Argument(help="Name of the collection.")],
    query: Annotated[
        list[str] | None, typer.Argument(metavar="[TEXT]...", help="Texts to search with.")
    ] = None,
    text: Annotated[list[str] | None, typer.Option(help="A text to search with; repeatable.")] = None,
    image: Files = None,
    audio: Files = None,
    video: Files = None,
    depth: Files = None,
    thermal: Files = None,
    imu: Files = None,
    item: Annotated[list[str] | None, typer.Option("--id", help="A stored item to search with.")] = None,
    minus: Annotated[
        list[str] | None,
        typer.Option(help="What to lead away from: a text, or a picture, sound or video file."),
    ] = None,
    weight: Annotated[
        list[float] | None,
        typer.Option(help="Shares of the parts in this order: texts, files as listed here, ids, --minus."),
    ] = None,
    sample_rate: SampleRate = None,
    unit: Unit = None,
    fx: FocalLength = None,
    baseline: Baseline = None,
    min_c: Coldest = None,
    max_c: Warmest = None,
    filter: Annotated[str | None, typer.Option(help="Condition on the metadata, as JSON.")] = None,  # noqa: A002 - the word of the API
    modalities: Annotated[str | None, typer.Option(help="Comma list: only items of these.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many results.")] = 10,
    server: Server = None,
    key: Key = None,
    data_dir: DataDir = None,
    model: Annotated[str | None, typer.Option(help="Without --server: model to load.")] = None,
    *,
    thumbnails: Annotated[
        bool | None,
        typer.Option(
            "--thumbnails/--no-thumbnails",
            help="Pictures of the results; by default where the terminal has them.",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the service's answer as JSON.")] = False,
) -> None:
    """Find the items nearest to a text, a picture, a sound, .. or a blend of several, some with a minus."""
    one_way(server, data_dir)
    settings = settings_from(data_dir=data_dir, model=model)
    from service.bulk import pictures  # noqa: PLC0415 - only where something is shown
    from service.bulk.asking import Asking  # noqa: PLC0415 - loads what it asks
    from service.bulk.server import ServerError  # noqa: PLC0415 - as above

    given = [sample_rate, unit, fx, baseline, min_c, max_c]
    params = dict(zip(("sample_rate", "unit", "fx", "baseline", "min_c", "max_c"), given, strict=True))
    files = {"image": image, "audio": audio, "video": video, "depth": depth, "thermal": thermal, "imu": imu}
    conditions = {
        "filter": filter_of(filter),
        "modalities": None if modalities is None else modalities.split(","),
    }
    path = f"/v1/collections/{quote(collection, safe='')}"
    try:
        parts: list[dict[str, Any]] = [{"text": each} for each in [*(query or ()), *(text or ())]]
        parts += [file_part(name, each, params) for name, paths in files.items() for each in paths or ()]
        parts += [{"id": each} for each in item or ()]
        away = [minus_part(each, params) for each in minus or ()]
        asked = weighted([*parts, *away], len(away), weight or ())
        if not parts:
            typer.echo(
                "give something to search with: a text, --image FILE, --audio FILE, .. or --id ID", err=True
            )
            raise typer.Exit(2)
        body = {"query": asked, "limit": limit, **{k: v for k, v in conditions.items() if v is not None}}
        with Asking(settings, server, key) as asking:
            answer = asking.post(f"{path}/search", body)
            if json:
                typer.echo(orjson.dumps(answer))
                return
            show_table(answer["results"])
            pictures.show(asking, path, answer["results"], wanted=thumbnails)
            for note in answer["notes"]:
                typer.echo(note, err=True)
    except ServerError as error:
        typer.echo(error.message, err=True)
        raise typer.Exit(1) from error
