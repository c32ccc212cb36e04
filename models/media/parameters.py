"""Values that accompany a file ("unit", "sample_rate", ..): numbers or strings in, checked values out."""

import contextlib
import math
from collections.abc import Callable
from typing import TypeAlias

from models.errors import ParameterError

Parse: TypeAlias = Callable[[str, object], float | int | str]


def _to_number(name: str, value: object) -> float:
    number = math.nan
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        with contextlib.suppress(ValueError, OverflowError):
            number = math.nan if isinstance(value, str) and "_" in value else float(value)
    if not math.isfinite(number):
        raise ParameterError(f"{name} has to be a finite number, not {value!r}")
    return number


def number(low: float, high: float, unit: str) -> Parse:
    """A parser of finite numbers in [low, high]."""

    def parse(name: str, value: object) -> float:
        parsed = _to_number(name, value)
        if not low <= parsed <= high:
            raise ParameterError(f"{name} has to lie in [{low:g}, {high:g}] {unit}, not {value!r}")
        return parsed

    return parse


def positive(high: float, unit: str) -> Parse:
    """A parser of numbers in (0, high]."""

    def parse(name: str, value: object) -> float:
        parsed = _to_number(name, value)
        if not 0 < parsed <= high:
            raise ParameterError(f"{name} has to be above 0 and at most {high:.0f} {unit}, not {value!r}")
        return parsed

    return parse


def whole(low: int, high: int) -> Parse:
    """A parser of whole numbers in [low, high]."""

    def parse(name: str, value: object) -> int:
        parsed = _to_number(name, value)
        if parsed != int(parsed) or not low <= parsed <= high:
            raise ParameterError(f"{name} has to be a whole number from {low} to {high}, not {value!r}")
        return int(parsed)

    return parse


def one_of(*words: str) -> Parse:
    """A parser that lets only these words through."""

    def parse(name: str, value: object) -> str:
        if value not in words:
            raise ParameterError(f"{name} has to be one of {', '.join(words)}, not {value!r}")
        return str(value)

    return parse
