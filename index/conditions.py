"""What a filter asks of a single value of metadata."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

_TIME = re.compile(r"\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)?)?")

Number = int | float
Tagged = tuple[bool, Any]
"""Python holds True for 1; the first part tells them apart."""


class Test(Protocol):
    """Says whether a value passes; lists and null are never asked about, objects are."""

    def __call__(self, found: Any) -> bool: ...


def tagged(value: Any) -> Tagged:
    return isinstance(value, bool), value


def number(value: Any) -> Number | None:
    """Give a finite number back, None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return None


def time(value: Any) -> datetime | None:
    """Read an RFC 3339 time or day, in UTC where it names no offset; None for anything else."""
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        return None
    try:
        read = datetime.fromisoformat(value.upper())
        return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


@dataclass(frozen=True)
class Among:
    """One of these scalars, or with `inside` false none of them; objects never pass."""

    accepted: frozenset[Tagged]
    inside: bool

    def __call__(self, found: Any) -> bool:
        return not isinstance(found, Mapping) and (tagged(found) in self.accepted) is self.inside


@dataclass(frozen=True)
class Between:
    """A number, or where the bounds are times a string that is a time, that keeps to all of them."""

    bounds: tuple[tuple[Callable[[Any, Any], bool], Any], ...]

    @property
    def of_times(self) -> bool:
        return isinstance(self.bounds[0][1], datetime)

    def __call__(self, found: Any) -> bool:
        place = time(found) if self.of_times else number(found)
        return place is not None and all(compare(place, bound) for compare, bound in self.bounds)


@dataclass(frozen=True)
class Present:
    """Anything that is there."""

    def __call__(self, found: Any) -> bool:
        return found is not None
