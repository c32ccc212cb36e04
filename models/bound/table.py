"""Series as CSV: columns by name where there is a header, times left out, faults with line and column."""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Sequence
from itertools import chain

import numpy as np

from models.errors import MediaError, MediaTooLargeError
from models.media.limits import Limits
from models.media.table_rows import rows_of
from models.samples import Float32

TIME = re.compile(r"(?:timestamp|time|t)(?:(?:_|\s*[\[(])(?:s|sec|seconds|ms|us|ns)[\])]?)?", re.IGNORECASE)


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
    rows = rows_of(data, limits.rows, ".npy and CSV in UTF-8")
    first = next(rows, None)
    if first is None:
        raise MediaError("the CSV holds no rows", code="empty_media")
    names: tuple[str, ...] = ()
    positions = list(range(len(first[1])))
    if _has_header(first[1]):
        heading = [cell.strip() for cell in first[1]]
        positions = _positions(heading, columns)
        names = tuple(heading[position] for position in positions)
    else:
        rows = chain([first], rows)
    values = array("f")
    for line, row in rows:
        values.extend([_value(row, position, line) for position in positions])
        if len(values) > limits.values:
            raise MediaTooLargeError(f"the CSV has too many values; at most {limits.values} are accepted")
    if not values:
        raise MediaError("the CSV has a header and no values below it", code="empty_media")
    return np.frombuffer(values, np.float32).reshape(-1, len(positions)), names
