"""Series as CSV: columns by name where there is a header, times left out, faults with line and column."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Sequence

import numpy as np

from models.errors import MediaError, MediaTooLargeError, UnsupportedMediaError
from models.media.limits import Limits
from models.samples import Float32

TIME = re.compile(r"(?:timestamp|time|t)(?:(?:_|\s*[\[(])(?:s|sec|seconds|ms|us|ns)[\])]?)?", re.IGNORECASE)


def _lines(data: bytes) -> list[str]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnsupportedMediaError("accepted are .npy and CSV in UTF-8; these bytes are neither") from error
    if "\0" in text:
        raise UnsupportedMediaError("accepted are .npy and CSV in UTF-8; these bytes are neither")
    return text.splitlines()


def _cells(lines: Sequence[str]) -> list[tuple[int, list[str]]]:
    """Line number and cells of the lines that are neither blank nor comments."""
    heading = next((line for line in lines if line.strip() and not line.startswith("#")), "")
    reader = csv.reader(lines, delimiter=max(",;\t", key=heading.count))
    return [
        (reader.line_num, row)
        for row in reader
        if any(cell.strip() for cell in row) and not row[0].startswith("#")
    ]


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan


def _has_header(row: Sequence[str]) -> bool:
    return any(cell.strip() and math.isnan(_number(cell)) and cell.strip().lower() != "nan" for cell in row)


def _positions(names: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Where the wanted columns stand; without wishes all but the times."""
    if not wanted:
        return [i for i, name in enumerate(names) if not TIME.fullmatch(name)]
    missing = [name for name in wanted if name not in names]
    if missing:
        raise MediaError(f"the CSV lacks the columns {', '.join(missing)}; wanted are {', '.join(wanted)}")
    return [names.index(name) for name in wanted]


def _value(row: Sequence[str], position: int, line: int) -> float:
    cell = row[position].strip() if position < len(row) else ""
    value = _number(cell)
    if not math.isfinite(value):
        shown = repr(cell[:40]) if cell else "nothing"
        raise MediaError(f"line {line}, column {position + 1} holds {shown} in place of a finite number")
    return value


def read_series(data: bytes, limits: Limits, columns: Sequence[str] = ()) -> tuple[Float32, tuple[str, ...]]:
    """Values (samples, channels) and the channels' names, () where the file has no header.

    `columns`: the channels wanted of a file with a header, in their order. Raises MediaError with the place.
    """
    lines = _lines(data)
    rows = _cells(lines)
    if not rows:
        raise MediaError("the CSV holds no rows", code="empty_media")
    if len(rows) * len(rows[0][1]) > limits.values:
        raise MediaTooLargeError(
            f"the CSV has {len(rows)} lines; at most {limits.values} values are accepted"
        )
    names: tuple[str, ...] = ()
    positions = list(range(len(rows[0][1])))
    if _has_header(rows[0][1]):
        heading = [cell.strip() for cell in rows.pop(0)[1]]
        positions = _positions(heading, columns)
        names = tuple(heading[position] for position in positions)
    if not rows or not positions:
        raise MediaError("the CSV has a header and no values below it", code="empty_media")
    values = [[_value(row, position, line) for position in positions] for line, row in rows]
    return np.array(values, np.float32), names
