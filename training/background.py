"""How near unrelated items of two modalities lie: what a search needs to compare scores across modalities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

FEWEST = 50  # pairs below which no figure is given


@dataclass(frozen=True)
class Cloud:
    """Unit vectors `z` (n, DIM) of one modality's items and what each shows, "" = not known."""

    z: torch.Tensor
    shown: list[str]


def background_of(clouds: Mapping[str, Cloud]) -> dict[str, dict[str, list[float]]]:
    """{query modality: {item modality: [mean, standard deviation]}} of the cosine of unrelated pairs.

    Unrelated: both are known and share none of what they show. Video goes through the image tower.
    """
    clouds = {**clouds, "video": clouds["image"]} if "image" in clouds else clouds
    return {query: {item: _spread(q, i) for item, i in clouds.items()} for query, q in clouds.items()}


def _spread(queries: Cloud, items: Cloud) -> list[float]:
    cosines = queries.z @ items.z.T
    unrelated = _unrelated(queries.shown, items.shown)
    if unrelated.sum() >= FEWEST:  # else one place only: every pair is related
        cosines = cosines[unrelated]
    return [round(float(cosines.mean()), 5), round(float(cosines.std()), 5)]


def _unrelated(ones: list[str], others: list[str]) -> torch.Tensor:
    """Bool (ones, others): both known, nothing in common. Worked out once per kind, as kinds are few."""
    kinds, other_kinds = list(dict.fromkeys(ones)), list(dict.fromkeys(others))
    table = torch.tensor(
        [[bool(a and b) and not set(a.split("|")) & set(b.split("|")) for b in other_kinds] for a in kinds]
    )
    rows = torch.tensor([kinds.index(one) for one in ones])
    columns = torch.tensor([other_kinds.index(other) for other in others])
    return table[rows][:, columns]
