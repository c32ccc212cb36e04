"""What a family of models hands over to become an Embedder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from models.embedder import Background, Tower


@dataclass(frozen=True, eq=False)
class Assembly:
    """Towers by modality and what belongs to them; see Embedder for the fields."""

    dim: int
    towers: Mapping[str, Tower]
    identity: str
    allows_shortening: bool = False
    background: Background = field(default_factory=dict)
    most_segments: int | None = None
