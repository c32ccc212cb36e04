"""Everything that is refused, before anything is written."""

import json
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index import errors
from index.errors import shown
from index.items import Item, Row, Segment, Vector

ID_BYTES = 512
METADATA_BYTES = 64 * 1024
METADATA_DEPTH = 16
MEDIA_TYPE_CHARACTERS = 255
MAX_DIMENSION = 65_536
MAX_LIMIT = 2**53
RECALL = (0.90, 0.999)
_SMALLEST, _LARGEST = 1e-200, 1e200
"""Squared lengths between these are sums of finite numbers that lost nothing."""

_COLLECTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_MODALITY = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_UNPRINTABLE = {"Cc", "Cs"}


def collection_name(name: str) -> str:
    if isinstance(name, str) and _COLLECTION.fullmatch(name):
        return name
    raise errors.CollectionNameError(
        f"{shown(name)} cannot name a collection: 1 to 128 characters of A-Z a-z 0-9 . _ - are accepted, "
        "the first of them a letter or a digit"
    )


def modality_name(name: str) -> str:
    if isinstance(name, str) and _MODALITY.fullmatch(name):
        return name
    raise errors.ParameterError(
        f"{shown(name)} cannot name a modality: 1 to 64 characters of a-z 0-9 _ - are accepted"
    )


def item_id(identifier: str) -> str:
    if not isinstance(identifier, str) or not identifier:
        raise errors.ItemIdError(f"an id must be a non-empty string, not {shown(identifier)}")
    if any(unicodedata.category(character) in _UNPRINTABLE for character in identifier):
        raise errors.ItemIdError(f"the id {shown(identifier)} holds control characters, which none may")
    if (size := len(identifier.encode())) > ID_BYTES:
        raise errors.ItemIdError(
            f"the id {shown(identifier)} has {size} bytes of UTF-8, at most {ID_BYTES} are accepted"
        )
    return identifier


def whole(name: str, value: int, low: int, high: int = MAX_LIMIT) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise errors.ParameterError(f"{name} must be a whole number from {low} to {high}, not {shown(value)}")
    return value


def recall(value: float) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and RECALL[0] <= value <= RECALL[1]:
        return float(value)
    raise errors.ParameterError(f"recall must be from {RECALL[0]} to {RECALL[1]}, not {shown(value)}")


def unit_vector(vector: Vector | Sequence[float], dimension: int, what: str = "the vector") -> Vector:
    """Give `vector` as float32 of unit length, shape (dimension,).

    Raises:
        errors.VectorError: it has another shape, holds NaN or infinity, or has no direction.
    """
    values = _numbers(vector, what)
    if values.shape != (dimension,):
        raise errors.VectorError(
            f"{what} has shape {values.shape}, this collection holds vectors of {dimension} numbers"
        )
    squared = float(values.dot(values))
    if _SMALLEST < squared < _LARGEST:
        direct: Vector = (values / math.sqrt(squared)).astype(np.float32)
        return direct
    if not np.isfinite(values).all():
        raise errors.VectorError(f"{what} holds NaN or infinity, only finite numbers are accepted")
    largest = np.abs(values).max()
    if largest == 0:
        raise errors.VectorError(f"{what} is all zeros and has no direction, a non-zero one is needed")
    scaled = values / largest
    unit: Vector = (scaled / np.linalg.norm(scaled)).astype(np.float32)
    return unit


def item(item: Item, dimension: int) -> Item:
    """Give `item` with unit vectors and plain JSON metadata, or raise what is wrong with it."""
    item_id(item.id)
    modality_name(item.modality)
    if not item.rows:
        raise errors.VectorError(f"the item {shown(item.id)} has no vector, at least one is needed")
    rows = tuple(
        Row(unit_vector(row.vector, dimension, f"the vector of item {shown(item.id)}"), _segment(row.segment))
        for row in item.rows
    )
    _media_type(item.media_type)
    return Item(
        item.id, item.modality, rows, metadata(item.metadata), item.media, item.media_type, item.params
    )


def batch(items: Sequence[Item], dimension: int) -> list[Item]:
    """Check every item and that no id comes twice; shapes as in `item`."""
    checked = [item(one, dimension) for one in items]
    seen: set[str] = set()
    for one in checked:
        if one.id in seen:
            raise errors.DuplicateId(f"the id {shown(one.id)} comes twice, each may come once in a request")
        seen.add(one.id)
    return checked


def metadata(value: Mapping[str, Any]) -> dict[str, Any]:
    """Give `value` back as the JSON object it will be read as.

    Raises:
        errors.MetadataError: it is no JSON object, over 64 KiB as JSON, or nested deeper than 16.
    """
    if not isinstance(value, Mapping):
        raise errors.MetadataError(f"metadata must be a JSON object, not {type(value).__name__}")
    _check_json(value, METADATA_DEPTH)
    try:
        text = json.dumps(dict(value), ensure_ascii=False, allow_nan=False)
        size = len(text.encode())
    except (TypeError, ValueError) as error:
        raise errors.MetadataError(f"metadata must be a JSON object with finite numbers: {error}") from error
    if size > METADATA_BYTES:
        raise errors.MetadataError(
            f"metadata has {size} bytes as JSON, at most {METADATA_BYTES} are accepted"
        )
    plain: dict[str, Any] = json.loads(text)
    return plain


def _check_json(value: Any, depth: int) -> None:
    if isinstance(value, Mapping | list | tuple) and depth == 0:
        raise errors.MetadataError(
            f"metadata is nested deeper than {METADATA_DEPTH}, which is the most accepted"
        )
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise errors.MetadataError(f"the keys of metadata must be strings, not {shown(key)}")
            _check_json(inner, depth - 1)
    elif isinstance(value, list | tuple):
        for inner in value:
            _check_json(inner, depth - 1)


def _numbers(vector: Vector | Sequence[float], what: str) -> NDArray[np.float64]:
    try:
        return np.asarray(vector, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise errors.VectorError(f"{what} is not a list of numbers: {error}") from error


def _segment(segment: Segment | None) -> Segment | None:
    if segment is None:
        return None
    start, end = segment.start_s, segment.end_s
    if not (math.isfinite(start) and math.isfinite(end) and 0 <= start <= end):
        raise errors.ParameterError(f"a segment needs 0 <= start_s <= end_s [s], not {start} and {end}")
    return Segment(float(start), float(end))


def _media_type(value: str | None) -> None:
    if value is None:
        return
    if not isinstance(value, str) or len(value) > MEDIA_TYPE_CHARACTERS or not value.isprintable():
        raise errors.ParameterError(
            f"a media type is up to {MEDIA_TYPE_CHARACTERS} printable characters, not {shown(value)}"
        )
