"""Retrieval on held-out items, beside what chance would find."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

KS = (1, 10)


@dataclass(frozen=True)
class Direction:
    """`recall[k]`: share of queries with a match among the first k; `chance[k]`: the same by lot.

    `mrr`: mean of 1 / rank of the first match. `queries`, `candidates`: how many there were.
    """

    recall: Mapping[int, float]
    chance: Mapping[int, float]
    mrr: float
    queries: int
    candidates: int

    def facts(self) -> dict[str, float | int]:
        """As plain numbers, for files."""
        recalls = {f"R@{k}": round(self.recall[k], 4) for k in KS}
        chances = {f"chance R@{k}": round(self.chance[k], 4) for k in KS}
        sizes = {"queries": self.queries, "candidates": self.candidates}
        return {**recalls, **chances, "MRR": round(self.mrr, 4), **sizes}


def by_lot(matches: int, candidates: int, k: int) -> float:
    """Chance that k of the candidates, drawn without putting back, hold one of the matches."""
    if candidates - matches < k:
        return 1.0
    return 1 - math.comb(candidates - matches, k) / math.comb(candidates, k)


def direction(cosines: torch.Tensor, matches: torch.Tensor) -> Direction:
    """`cosines`, `matches` (bool): (queries, candidates); queries without a match are left out."""
    asked = matches.any(1)
    cosines, matches = cosines[asked], matches[asked]
    order = cosines.argsort(dim=1, descending=True, stable=True)
    ranks = matches.gather(1, order).int().argmax(1) + 1
    counts = matches.sum(1).tolist()
    candidates = cosines.shape[1]
    return Direction(
        {k: float((ranks <= k).float().mean()) for k in KS},
        {k: float(np.mean([by_lot(count, candidates, k) for count in counts])) for k in KS},
        float((1 / ranks).mean()),
        len(ranks),
        candidates,
    )


@dataclass(frozen=True)
class Figures:
    """Both directions between the new sense and one modality of anchors; `closeness`: mean matched cosine."""

    to_anchor: Direction
    from_anchor: Direction
    closeness: float

    @property
    def mrr(self) -> float:
        return (self.to_anchor.mrr + self.from_anchor.mrr) / 2


def figures(z: torch.Tensor, z_groups: torch.Tensor, t: torch.Tensor, t_groups: torch.Tensor) -> Figures:
    """Unit vectors of items (n, dim) and of anchors (m, dim), with the groups that match."""
    cosines, matches = z @ t.T, z_groups[:, None] == t_groups[None]
    closeness = float(cosines[matches].mean())
    return Figures(direction(cosines, matches), direction(cosines.T, matches.T), closeness)
