"""What a question to a model looks like: to name items, to find partners, to find what shows the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from evaluation.figure import Figure
from evaluation.vectors import Vectors


class Task(Protocol):
    """One question to a model. `modalities`: which encoders it needs."""

    @property
    def name(self) -> str: ...

    @property
    def modalities(self) -> frozenset[str]: ...

    def limited(self, count: int) -> Task:
        """The same with at most `count` items, evenly spread."""
        ...

    def measure(self, vectors: Vectors, prompts: Sequence[str] | None) -> list[Figure]:
        """No figures where none of the items can be used."""
        ...
