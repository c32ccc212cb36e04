"""Pieces of JSON text that metadata must contain to pass a filter.

Looking for a piece of text in SQLite is many times faster than reading JSON in Python, so rows without the
pieces are left out before the filter itself is asked. Only conditions that all have to hold (`must`) give
pieces, and only where the stored text is certain: `json.dumps` writes equal strings, and equal numbers of
moderate size, so that one contains the other (100 stands in "100.0").
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

MOST = 4
_CERTAIN = 10**15
"""Below this every whole float is written with all its digits."""


def needles(filter_: Mapping[str, Any]) -> tuple[str, ...]:
    """Give up to 4 pieces, the longest, that the JSON of all metadata passing the checked filter has."""
    found = {piece for piece in _of_filter(filter_) if _storable(piece)}
    return tuple(sorted(found, key=lambda piece: (-len(piece), piece))[:MOST])


def _of_filter(filter_: Mapping[str, Any]) -> Iterator[str]:
    for condition in filter_.get("must", ()):
        if "key" not in condition:
            yield from _of_filter(condition)
        elif condition.get("exists", True):
            yield _of_key(condition["key"])
            yield from _of_match(condition.get("match", {}))


def _storable(piece: str) -> bool:
    """Half a surrogate pair is in no metadata, so nothing passes; SQLite cannot even be asked for it."""
    return not any("\ud800" <= character <= "\udfff" for character in piece)


def _of_key(key: str) -> str:
    """The end of the key stands before a closing quote, whether metadata nests it or has it with its dots."""
    return json.dumps(key.rpartition(".")[2], ensure_ascii=False)[1:]


def _of_match(words: Mapping[str, Any]) -> Iterator[str]:
    if "value" not in words:
        return
    value = words["value"]
    if isinstance(value, bool | str):
        yield json.dumps(value, ensure_ascii=False)
    elif abs(value) < _CERTAIN:
        yield str(int(value)) if value == int(value) else json.dumps(value)
