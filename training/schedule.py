"""Learning rates."""

from __future__ import annotations

import math

import torch


def cosine_rate(optimizer: torch.optim.Optimizer, done: float, warmup: float = 0.05) -> None:
    """Set every group's rate: linear up to its own `lr`, then half a cosine down to 0; `done` in [0, 1]."""
    if done < warmup:
        factor = done / warmup + 1e-3
    else:
        factor = 0.5 * (1 + math.cos(math.pi * (done - warmup) / (1 - warmup)))
    for group in optimizer.param_groups:
        group["lr"] = group.setdefault("full_lr", group["lr"]) * factor
