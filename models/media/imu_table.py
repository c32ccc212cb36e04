"""IMU recordings as CSV: columns found by name, in any order, times turned into a rate."""

import math
import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from models.errors import MediaError
from models.media.limits import Limits
from models.media.table_rows import rows_of
from models.samples import IMU_CHANNELS, SLOWEST_HZ

Floats: TypeAlias = npt.NDArray[np.float64]

COLUMN_NAMES = ", ".join(IMU_CHANNELS)
ACCELERATION = re.compile(r"(?:a|acc|accel|accl|acceleration|accelerometer)_?([xyz])")
ANGULAR_RATE = re.compile(r"(?:g|gyr|gyro|gyroscope|w|omega|angular_velocity|angular_rate)_?([xyz])")
# Ego4D's tables have `component_timestamp_ms` and `canonical_timestamp_ms`.
TIME = re.compile(r"(?:(?:component_|canonical_)?timestamp|time|t)(?:_(s|sec|seconds|ms|us|ns))?")
SECONDS = {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
# What a header may say in brackets, as factors to m/s2 and rad/s.
UNITS = {
    "m/s2": 1.0, "m/s^2": 1.0, "m/s²": 1.0, "m/s/s": 1.0, "rad/s": 1.0, "g": 9.80665,
    "deg/s": math.pi / 180, "dps": math.pi / 180, "°/s": math.pi / 180,
}  # fmt: skip


@dataclass(frozen=True)
class Column:
    """Where a channel or the time stands, and its factor to SI units (None: the header names no unit)."""

    position: int
    factor: float | None


@dataclass(frozen=True, eq=False)
class Table:
    """`values` float64 (T, 6), `stated_units`: whose unit the header named; `times` [s] or None."""

    values: Floats
    stated_units: tuple[bool, ...]
    times: Floats | None

    def rate(self) -> float | None:
        """Hz, from the median interval; None without a time column. Raises MediaError."""
        if self.times is None:
            return None
        interval = float(np.median(np.diff(self.times))) if len(self.times) > 1 else math.nan
        if not interval > 0:
            raise MediaError("the time column does not rise, so it gives no rate; pass sample_rate [Hz]")
        if 1 / interval < SLOWEST_HZ:
            raise MediaError(
                f"the time column gives one sample every {interval:g} s; name it timestamp_ms, _us or _ns "
                "if it is not in seconds, or pass sample_rate [Hz]"
            )
        return 1 / interval


def _split_unit(header: str) -> tuple[str, str | None]:
    """`Accel X (m/s^2)` -> `accel_x`, `m/s^2`."""
    name, *unit = re.split(r"[\(\[]", header.strip().lower().rstrip(")]"), maxsplit=1)
    return re.sub(r"[\s.\-]+", "_", name.strip()), unit[0].strip() if unit else None


def _channel(name: str) -> str | None:
    for prefix, pattern in (("accel_", ACCELERATION), ("gyro_", ANGULAR_RATE)):
        match = pattern.fullmatch(name)
        if match:
            return prefix + match[1]
    return None


def _factor(header: str, unit: str | None, known: dict[str, float]) -> float | None:
    if unit is not None and unit not in known:
        raise MediaError(f"column {header!r} names an unknown unit; accepted are {', '.join(known)}")
    return None if unit is None else known[unit]


def _columns(headers: Sequence[str]) -> dict[str, Column]:
    """Channel name, or `time`, -> column. Raises MediaError for a channel that stands twice."""
    found: dict[str, Column] = {}
    for position, header in enumerate(headers):
        name, unit = _split_unit(header)
        time = TIME.fullmatch(name)
        channel = _channel(name)
        if time and "time" not in found:
            found["time"] = Column(position, _factor(header, time[1] or unit, SECONDS))
        elif channel in found:
            raise MediaError(f"two columns are named {channel} ({header!r} is the second)")
        elif channel:
            found[channel] = Column(position, _factor(header, unit, UNITS))
    return found


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _check_columns(headers: Sequence[str], found: dict[str, Column]) -> None:
    if all(_is_number(cell) for cell in headers):
        raise MediaError(f"the CSV has no header; its first line has to name the columns {COLUMN_NAMES}")
    missing = [name for name in IMU_CHANNELS if name not in found]
    if missing:
        raise MediaError(
            f"the CSV lacks the columns {', '.join(missing)}; wanted are {COLUMN_NAMES} in any order"
        )


def _fault(line: int, row: Sequence[str], positions: Sequence[int], headers: Sequence[str]) -> str:
    """Where the first cell of a row stands that is no number."""
    for position in positions:
        text = row[position].strip() if position < len(row) else ""
        if not _is_number(text):
            shown = f"{text[:40]!r}" if text else "nothing"
            return f"line {line}, column {headers[position]!r} holds {shown} in place of a number"
    return f"line {line} holds something that is no number"


def _numbers(
    rows: Iterator[tuple[int, list[str]]], positions: Sequence[int], headers: Sequence[str]
) -> Floats:
    values = array("d")
    for line, row in rows:
        try:
            values.extend([float(row[position]) for position in positions])
        except (ValueError, IndexError) as error:
            raise MediaError(_fault(line, row, positions, headers)) from error
    return np.frombuffer(values, np.float64).reshape(-1, len(positions))


def read_table(data: bytes, limits: Limits, wanted: str, *, with_times: bool) -> Table:
    """A CSV (comma, semicolon or tab) with a header line. Raises MediaError naming line and column."""
    rows = rows_of(data, min(limits.rows, limits.values // len(IMU_CHANNELS)), wanted)
    _, headers = next(rows, (0, []))
    found = _columns(headers)
    _check_columns(headers, found)
    channels = [found[name] for name in IMU_CHANNELS]
    time = found.get("time") if with_times else None
    chosen = [column.position for column in ([*channels, time] if time else channels)]
    values = _numbers(rows, chosen, headers)
    if not len(values):
        raise MediaError("the CSV has a header and no rows", code="empty_media")
    return Table(
        values[:, :6] * [column.factor or 1.0 for column in channels],
        tuple(column.factor is not None for column in channels),
        values[:, 6] * (time.factor or 1.0) if time else None,
    )
