"""Whole numbers of metadata are kept exactly or refused.

orjson reads those beyond 64 bits as the nearest float and says nothing, so where a large float came out the
JSON is read once more, with all digits.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from models.errors import ParameterError
from service.errors import LocatedError

LOWEST, HIGHEST = -(2**63), 2**64 - 1
OUTSIDE = (
    f"a whole number outside {LOWEST} to {HIGHEST}, which are accepted; "
    'send it as text ("123") or, where its last digits do not count, as a float (1.23e20)'
)


def scalars(value: Any) -> Iterator[Any]:
    """Whatever stands at the ends of lists and objects, however deep they are."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each
        else:
            yield each


def may_be_rounded(value: Any) -> bool:
    """Whether orjson may have made a float here of a whole number."""
    return any(isinstance(each, float) and not LOWEST < each <= HIGHEST for each in scalars(value))


def read_exactly(data: bytes | str) -> Any:
    """JSON that orjson has accepted, with its whole numbers as such. Raises ParameterError."""
    try:
        return json.loads(data)
    except RecursionError as error:
        raise ParameterError("the JSON is nested too deeply") from error


def is_altered(value: Any) -> bool:
    """Whether JSON that was read exactly holds a whole number that would not come back as it was sent."""
    return any(isinstance(each, int) and not LOWEST <= each <= HIGHEST for each in scalars(value))


def check_metadata(metadata: Any, where: str) -> None:
    """Raise LocatedError where `is_altered`."""
    if is_altered(metadata):
        raise LocatedError(ParameterError(f"metadata holds {OUTSIDE}", code="invalid_metadata"), where)
