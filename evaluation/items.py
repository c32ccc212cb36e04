"""Items of a data set: what they are, and how their sample is read when its turn comes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from models.modalities import decode
from models.samples import Sample, TextSample


@dataclass(frozen=True)
class Item:
    """One picture, sound, sentence ... that is decoded only when it is embedded.

    `key` names it within its modality (a path, a path with a crop, a sentence); `read` raises MediaError
    or OSError. `file`: where it lies; its size and time belong to the key of the cache.
    """

    modality: str
    key: str
    read: Callable[[], Sample] = field(compare=False, repr=False)
    file: Path | None = field(default=None, compare=False)


def _decoded(modality: str, path: Path, params: Mapping[str, Any]) -> Sample:
    return decode(modality, path.read_bytes(), **params)


def file_item(modality: str, path: Path, **params: Any) -> Item:
    """A file as the service would decode it, with the parameters that the modality accepts."""
    return Item(modality, str(path), partial(_decoded, modality, path, params), path)


def text_item(text: str) -> Item:
    return Item("text", text, partial(TextSample, text))


def spread_rows(count: int, limit: int | None) -> list[int]:
    """At most `limit` of `count` row numbers, evenly spread, so that sorted sets keep all their classes."""
    if limit is None or limit >= count:
        return list(range(count))
    return [int(row) for row in np.linspace(0, count - 1, limit)]


def picked(values: Sequence[Item], rows: Sequence[int]) -> tuple[Item, ...]:
    return tuple(values[row] for row in rows)
