"""What goes into a collection and what comes out, as frozen dataclasses."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
RowIds = NDArray[np.int64]
Items = NDArray[np.int64]
"""Item numbers, `seq` in SQLite."""
Metadata = dict[str, Any]
Stored = Callable[[RowIds], Vector]
"""Row numbers, shape (n,) -> their vectors as SQLite has them, shape (n, dim)."""


@dataclass(frozen=True)
class Segment:
    """A stretch of a recording, in seconds from its start."""

    start_s: float
    end_s: float


@dataclass(frozen=True, eq=False)
class Row:
    """One vector of an item, shape (dim,), of any length but zero. `segment` says which part it is of."""

    vector: Vector
    segment: Segment | None = None


@dataclass(frozen=True, eq=False)
class Item:
    """An item to store: one or more rows under one id, with its metadata and its original media.

    `params` are what the decoder was told beside the media, kept to read those again.
    """

    id: str
    modality: str
    rows: tuple[Row, ...]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    media: bytes | None = None
    media_type: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class StoredItem:
    """An item as the collection holds it.

    `created_at` is when the id was first stored (UTC). `segments` are those of the rows, in their order.
    `vector`, where asked for, is the unit vector of its one row that is of no segment, so of the whole; where
    there is no such row, or several, the unit mean of all.
    """

    id: str
    modality: str
    metadata: Metadata
    created_at: datetime
    segments: tuple[Segment | None, ...] = ()
    vector: Vector | None = None


@dataclass(frozen=True)
class Page:
    """Some items in the order they were first stored; `next_cursor` is None on the last page."""

    items: tuple[StoredItem, ...]
    next_cursor: str | None


@dataclass(frozen=True, eq=False)
class Hit:
    """An item found, by its best row.

    `score` is the cosine [-1, 1]; `calibrated` how many standard deviations it lies above the background
    of its pair of modalities (None where not asked for); `vector` the best row's unit vector.
    """

    id: str
    modality: str
    score: float
    calibrated: float | None
    metadata: Metadata
    segment: Segment | None = None
    vector: Vector | None = None


@dataclass(frozen=True)
class ShelfInfo:
    """The FAISS structure of one modality and the number of vectors it finds."""

    structure: str
    vectors: int


@dataclass(frozen=True)
class Info:
    """What a collection is and holds; `items` counts by modality, `media` is "original" or "none"."""

    name: str
    model: str
    identity: str
    dimension: int
    items: dict[str, int]
    shelves: dict[str, ShelfInfo]
    created_at: datetime
    media: str
    recall: float
