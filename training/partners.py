"""Pairs: the picture that belongs to a thermal or depth map, as a vector of the finished image tower."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from models.small.nets import ConvNet
from models.small.pictures import IMAGE_SIDE, image_input, square
from training.checks import outputs
from training.index import Item
from training.pictures import pixels_of

KEPT = (1.0, 0.85, 0.7)  # shares of its short side at which a picture is seen; first the service's


def partner_vectors(data: Path, items: list[Item], image: ConvNet) -> tuple[dict[str, int], torch.Tensor]:
    """({pair_id: row}, unit vectors (pairs, crops, DIM)) of all pictures in `items` that belong to a pair."""
    pictures = [item for item in items if item.modality == "image" and item.pair_id]
    cuts = [[square(pixels, IMAGE_SIDE, kept) for kept in KEPT] for pixels in pixels_of(data, pictures)]
    seen = functional.normalize(outputs(image, image_input(np.concatenate(cuts))), dim=-1)
    rows = {item.pair_id: row for row, item in enumerate(pictures)}
    return rows, seen.view(len(pictures), len(KEPT), -1)


def paired_recall(
    z: torch.Tensor, items: list[Item], rows: dict[str, int], pictures: torch.Tensor
) -> dict[str, float]:
    """Recall at 1 from map to picture, among the pairs of each archive; the first crop of the pictures."""
    found = {}
    for archive in dict.fromkeys(item.archive for item in items if item.pair_id):
        own = [row for row, item in enumerate(items) if item.archive == archive]
        partners = pictures[[rows[items[row].pair_id] for row in own], 0]
        found[f"{Path(archive).stem} R@1"] = recall(z[own], partners)
    return found


def recall(z: torch.Tensor, partners: torch.Tensor, at: int = 1) -> float:
    """Share of rows of `z` (n, DIM) that find their own row of `partners` (n, DIM) among the first `at`."""
    ranks = (z @ partners.T).argsort(dim=-1, descending=True)[:, :at]
    return float((ranks == torch.arange(len(z))[:, None]).any(-1).float().mean())
