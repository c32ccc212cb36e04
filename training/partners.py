"""Pairs: the picture that belongs to a thermal or depth map, as a vector of the finished image tower."""

from __future__ import annotations

from pathlib import Path

import torch

from models.samples import ImageSample
from models.small.nets import ConvNet
from models.small.pictures import prepare_image
from training.checks import pooled
from training.index import Item
from training.pictures import pixels_of


def partner_vectors(data: Path, items: list[Item], image: ConvNet) -> tuple[dict[str, int], torch.Tensor]:
    """({pair_id: row}, unit vectors (pairs, DIM) as in the service) of all pictures that belong to a pair."""
    pictures = [item for item in items if item.modality == "image" and item.pair_id]
    views = [prepare_image(ImageSample(pixels)).tensor for pixels in pixels_of(data, pictures)]
    return {item.pair_id: row for row, item in enumerate(pictures)}, pooled(image, views)


def paired_recall(
    z: torch.Tensor, items: list[Item], rows: dict[str, int], pictures: torch.Tensor
) -> dict[str, float]:
    """Recall at 1 from map to picture, among the pairs of each archive."""
    found = {}
    for archive in dict.fromkeys(item.archive for item in items if item.pair_id):
        own = [row for row, item in enumerate(items) if item.archive == archive]
        partners = pictures[[rows[items[row].pair_id] for row in own]]
        found[f"{Path(archive).stem} R@1"] = recall(z[own], partners)
    return found


def recall(z: torch.Tensor, partners: torch.Tensor, at: int = 1) -> float:
    """Share of rows of `z` (n, DIM) that find their own row of `partners` (n, DIM) among the first `at`."""
    ranks = (z @ partners.T).argsort(dim=-1, descending=True)[:, :at]
    return float((ranks == torch.arange(len(z))[:, None]).any(-1).float().mean())
