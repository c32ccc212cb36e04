"""Manifests: CSV, TSV or JSON lines that name the files, or hold texts, with what is said of each."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from models.errors import ParameterError
from service.bulk.descriptions import json_of
from service.whole_numbers import is_altered, may_be_rounded, read_exactly

DELIMITERS = {".csv": ",", ".tsv": "\t"}
LINES = (".jsonl", ".ndjson")
PREFIX = "metadata."
FIELDS = ("path", "text")
LONGEST_CELL = 10_000_000


def header(path: Path) -> list[str]:
    """The column names of a table. Raises OSError."""
    with path.open(encoding="utf-8-sig", newline="", errors="replace") as file:
        return next(csv.reader(file, delimiter=DELIMITERS[path.suffix.lower()]), [])


def is_manifest(path: Path) -> bool:
    """JSON lines, or a table with a column `path` or `text`; other tables are recordings."""
    suffix = path.suffix.lower()
    return suffix in LINES or (suffix in DELIMITERS and bool(set(FIELDS) & set(header(path))))


def scalar(cell: str) -> Any:
    """A cell as the JSON number, true or false that it reads as, else as the string it is.

    A whole number beyond 64 bits, which JSON readers would round, stays the string as well.
    """
    try:
        value = orjson.loads(cell)
    except orjson.JSONDecodeError:
        return cell
    if may_be_rounded(value) and is_altered(read_exactly(cell)):
        return cell
    return value if isinstance(value, bool | int | float) else cell


def object_of(row: Mapping[str | None, Any]) -> dict[str, Any]:
    """A row of a table: empty cells are left out, `metadata.x` goes into `metadata`."""
    if None in row or None in row.values():
        raise ParameterError("the row has more or fewer cells than there are columns")
    cells = {str(name): cell for name, cell in row.items() if cell != ""}
    metadata = {
        name.removeprefix(PREFIX): scalar(cells.pop(name)) for name in list(cells) if name.startswith(PREFIX)
    }
    return {**cells, "metadata": metadata}


def table_rows(path: Path) -> Iterator[dict[str, Any] | ParameterError]:
    csv.field_size_limit(LONGEST_CELL)
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file, delimiter=DELIMITERS[path.suffix.lower()], strict=True)
        try:
            for row in rows:
                try:
                    yield object_of(row)
                except ParameterError as error:
                    yield error
        except (csv.Error, UnicodeDecodeError) as error:
            yield ParameterError(f"the table cannot be read on from here: {error}")


def line_rows(path: Path) -> Iterator[dict[str, Any] | ParameterError]:
    with path.open("rb") as file:
        for line in file:
            if not line.strip():
                continue
            try:
                value = json_of(line)
                if not isinstance(value, dict):
                    raise ParameterError("a line is a JSON object")  # noqa: TRY301 - one row of many
                yield value
            except ParameterError as error:
                yield error


def rows_of(path: Path) -> Iterator[tuple[str, dict[str, Any] | ParameterError]]:
    """(place, object or what is wrong with it) of every row; places count from 1. Raises OSError."""
    rows = line_rows(path) if path.suffix.lower() in LINES else table_rows(path)
    for number, row in enumerate(rows, start=1):
        yield f"{path.name}, row {number}", row
