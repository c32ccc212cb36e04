"""Answers, as typed values with numpy vectors."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Float32: TypeAlias = npt.NDArray[np.float32]
Metadata: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Embeddings:
    """`vectors`: float32 (n, dim). `modalities` and `notes` (what was cut, ..) per input."""

    vectors: Float32
    modalities: tuple[str, ...]
    notes: tuple[tuple[str, ...], ...]
    tokens: int
    model: str


@dataclass(frozen=True)
class Segment:
    """A stretch of a recording [s]."""

    start_s: float
    end_s: float


@dataclass(frozen=True, eq=False)
class Hit:
    """An item found. `score`: cosine; `calibrated`: how far that lies above the background of its pair.

    `group` with `group_by`, `rrf` (what the ranks of the parts add up to) with `fusion="rrf"`.
    """

    id: str
    modality: str
    score: float
    calibrated: float | None
    metadata: Metadata
    segment: Segment | None = None
    vector: Float32 | None = None
    group: Any = None
    rrf: float | None = None


@dataclass(frozen=True, eq=False)
class Item:
    """A stored item. `segments`: those that a long recording is stored with."""

    id: str
    modality: str
    metadata: Metadata
    created_at: str
    vector: Float32 | None = None
    segments: tuple[Segment, ...] = ()


@dataclass(frozen=True)
class CollectionInfo:
    """What a collection is and holds; `items`: how many of each modality.

    `status` is "ready" or "damaged"; of a damaged one the `reason` is known, and nothing else.
    """

    name: str
    model: str = ""
    dimension: int = 0
    items: Mapping[str, int] = field(default_factory=dict)
    created_at: str = ""
    identity: str = ""
    media: str = ""
    recall: float = 0.0
    status: str = "ready"
    reason: str | None = None

    @property
    def total(self) -> int:
        return sum(self.items.values())


@dataclass(frozen=True)
class Label:
    """`probability` among all labels given; `score` is the cosine."""

    label: str
    probability: float
    score: float


@dataclass(frozen=True)
class Classified:
    """The best labels of one input, the best first; `notes`: what was cut, .."""

    modality: str
    labels: tuple[Label, ...]
    notes: tuple[str, ...] = ()

    @property
    def best(self) -> str:
        return self.labels[0].label


@dataclass(frozen=True)
class Added:
    """What became of one item: `status` is "stored", "skipped" (it was there) or "error" (`error` says why).

    `position` counts the items of the call from 0.
    """

    position: int
    id: str | None
    status: str
    modality: str | None = None
    notes: tuple[str, ...] = ()
    error: Mapping[str, Any] | None = field(default=None)

    @property
    def ok(self) -> bool:
        return self.status != "error"


def vector_of(encoded: str | Sequence[float]) -> Float32:
    """Base64 of little-endian float32, or a list."""
    if isinstance(encoded, str):
        return np.frombuffer(base64.b64decode(encoded), "<f4").astype(np.float32)
    return np.asarray(encoded, np.float32)


def embeddings_of(body: Mapping[str, Any]) -> Embeddings:
    data = body["data"]
    return Embeddings(
        np.stack([vector_of(entry["embedding"]) for entry in data]),
        tuple(entry["modality"] for entry in data),
        tuple(tuple(entry["notes"]) for entry in data),
        body["usage"]["total_tokens"],
        body["model"],
    )


def segment_of(body: Mapping[str, float]) -> Segment:
    return Segment(body["start_s"], body["end_s"])


def hit_of(body: Mapping[str, Any]) -> Hit:
    segment, vector = body.get("segment"), body.get("vector")
    return Hit(
        body["id"],
        body["modality"],
        body["score"],
        body.get("calibrated"),
        body.get("metadata") or {},
        segment_of(segment) if segment else None,
        None if vector is None else vector_of(vector),
        body.get("group"),
        body.get("rrf"),
    )


def hits_of(body: Mapping[str, Any]) -> list[Hit]:
    return [hit_of(each) for each in body["results"]]


def item_of(body: Mapping[str, Any]) -> Item:
    vector = body.get("vector")
    found = None if vector is None else vector_of(vector)
    segments = tuple(segment_of(each) for each in body.get("segments") or ())
    return Item(body["id"], body["modality"], body["metadata"], body["created_at"], found, segments)


def collection_info_of(body: Mapping[str, Any]) -> CollectionInfo:
    known = CollectionInfo.__dataclass_fields__
    return CollectionInfo(**{name: value for name, value in body.items() if name in known})


def classified_of(body: Mapping[str, Any]) -> list[Classified]:
    return [
        Classified(
            entry["modality"],
            tuple(Label(**label) for label in entry["labels"]),
            tuple(entry.get("notes") or ()),
        )
        for entry in body["data"]
    ]


def added_of(body: Mapping[str, Any]) -> list[Added]:
    """The results of a batch, with positions within it."""
    return [
        Added(
            i,
            each.get("id"),
            each["status"],
            each.get("modality"),
            tuple(each.get("notes") or ()),
            each.get("error"),
        )
        for i, each in enumerate(body["results"])
    ]
