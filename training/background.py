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
    shown = [set(one.split("|")) for one in items.shown]
    unrelated = torch.tensor(
        [[not (set(one.split("|")) & other) for other in shown] for one in queries.shown]
    )
    cosines = (queries.z @ items.z.T)[unrelated]
    if len(cosines) < FEWEST:  # one place only: every pair is related
        cosines = (queries.z @ items.z.T).flatten()
    return [round(float(cosines.mean()), 5), round(float(cosines.std()), 5)]
