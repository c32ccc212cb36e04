"""Figures on unseen items, printed while a tower trains."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from models.small.nets import ConvNet
from training.index import Item
from training.space import Space


@torch.inference_mode()
def outputs(tower: ConvNet, inputs: torch.Tensor, batch: int = 100) -> torch.Tensor:
    """Raw head outputs (n, DIM), float32."""
    device = tower.head.weight.device
    with torch.autocast(device.type, torch.bfloat16):
        return torch.cat([tower(part.to(device)).float().cpu() for part in torch.split(inputs, batch)])


def pooled(tower: ConvNet, views: Sequence[torch.Tensor]) -> torch.Tensor:
    """Items of several views each -> unit vectors (items, DIM), as the service pools them."""
    heads = functional.normalize(outputs(tower, torch.cat(list(views))), dim=-1)
    means = [part.mean(0) for part in torch.split(heads, [len(one) for one in views])]
    return functional.normalize(torch.stack(means), dim=-1)


def top1(z: torch.Tensor, items: Sequence[Item], space: Space) -> float:
    """Share of items whose nearest label, among those of these items, is their own."""
    names = sorted({item.label for item in items})
    vectors = space.vectors[[space.names.index(name) for name in names]]
    found = (functional.normalize(z, dim=-1) @ vectors.T).argmax(-1).tolist()
    return float(np.mean([names[column] == item.label for column, item in zip(found, items, strict=True)]))


def by_archive(z: torch.Tensor, items: Sequence[Item], space: Space) -> dict[str, float]:
    """Zero-shot top-1 of every archive, over the archive's own names, single labels only."""
    found = {}
    for archive in dict.fromkeys(item.archive for item in items):
        rows = [r for r, item in enumerate(items) if item.archive == archive and item.label in space.names]
        own = [items[row] for row in rows]
        if len({item.label for item in own}) > 1:
            found[Path(archive).stem] = top1(z[rows], own, space)
    return found
