"""Several processes train one tower: each draws its own share of a batch, their gradients are averaged.

Two processes of one thread each are faster here than one process of two threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import distributed
from torch.multiprocessing.spawn import spawn

ADDRESS, PORT = "127.0.0.1", "29533"


def workers() -> int:
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rank() -> int:
    return distributed.get_rank() if distributed.is_initialized() else 0


def average(parameters: Iterable[torch.Tensor]) -> None:
    """Replace each gradient by its mean over the processes."""
    if workers() == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    parts = torch.split(flat / workers(), [gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))


def _begin(number: int, count: int, stage: Callable[..., object], given: tuple[Any, ...]) -> None:
    os.environ |= {"MASTER_ADDR": ADDRESS, "MASTER_PORT": PORT}
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", rank=number, world_size=count)
    stage(*given)
    distributed.destroy_process_group()


def run(count: int, stage: Callable[..., object], *given: Any) -> None:
    """Call `stage(*given)` in `count` processes; ends when all have ended."""
    if count == 1:
        stage(*given)
    else:
        spawn(_begin, (count, stage, given), nprocs=count)  # type: ignore[no-untyped-call] # torch has no types here
