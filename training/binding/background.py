"""How near unrelated items lie to the new sense: what searches compare scores of several modalities by."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from models.embedder import Background

FEWEST = 50  # unrelated pairs below which no figure is given


def spread(
    ones: torch.Tensor, one_groups: torch.Tensor, others: torch.Tensor, other_groups: torch.Tensor
) -> tuple[float, float] | None:
    """Mean and standard deviation of the cosine over pairs of different groups."""
    unrelated = (ones @ others.T)[one_groups[:, None] != other_groups[None]]
    if len(unrelated) < FEWEST:
        return None
    return round(float(unrelated.mean()), 5), round(float(unrelated.std()), 5)


def completed(name: str, measured: Background, known: Background, main: str) -> Background:
    """Both orders of the measured pairs, and for modalities that were no anchors those of the main anchor.

    The tower puts items where its anchors are, so what (image, text) is for the model, (image, `name`) is
    about the same.
    """
    pairs: dict[tuple[str, str], tuple[float, float]] = {}
    for modality in {one for pair in known for one in pair}:
        for pair, like in (((modality, name), (modality, main)), ((name, modality), (main, modality))):
            if like in known:
                pairs[pair] = known[like]
    for (one, other), figure in measured.items():
        pairs[one, other] = pairs[other, one] = figure
    return pairs


def background_of(  # noqa: PLR0913, PLR0917 - the two sides, and what the model knows
    name: str,
    z: torch.Tensor,
    groups: torch.Tensor,
    anchors: Mapping[str, tuple[torch.Tensor, torch.Tensor]],
    known: Background,
    main: str,
) -> Background:
    """`anchors`: modality -> unit vectors (n, dim) and their groups; `known`: the model's own background."""
    sides = {**anchors, name: (z, groups)}
    found = {modality: spread(z, groups, *side) for modality, side in sides.items()}
    measured = {(name, modality): figure for modality, figure in found.items() if figure is not None}
    return completed(name, measured, known, main)
