"""How fast this machine multiplies matrices in each precision, with the kernels that the encoders use."""

from __future__ import annotations

from collections.abc import Callable

import torch

from bench.pairs import in_turns
from models.precision import precisions
from models.precision_layers import Bf16Linear, Fp32Linear, Int8Linear, Linear

ROWS, BEFORE, AFTER = 2056, 1280, 5120  # a batch of 8 pictures through the first layer of ViT-H's MLP


def _calls() -> dict[str, Callable[[], torch.Tensor]]:
    random = torch.Generator().manual_seed(0)
    linear = Linear(BEFORE, AFTER).requires_grad_(False)
    rows = torch.randn(1, ROWS, BEFORE, generator=random)
    narrow = rows.bfloat16()
    whole, halved = Fp32Linear(linear), Bf16Linear(linear)
    calls: dict[str, Callable[[], torch.Tensor]] = {
        "fp32": lambda: whole(rows),
        "bf16": lambda: halved(narrow),
    }
    if "int8" in precisions():
        quantised = Int8Linear(linear)
        calls["int8"] = lambda: quantised(rows)
    return calls


def rates(rounds: int) -> dict[str, float]:
    """Operations per second by precision, the best of `rounds`; int8 with its activations' rounding."""
    with torch.inference_mode():
        turns = in_turns(_calls(), rounds)
    return {name: 2 * ROWS * BEFORE * AFTER / turns.best(name) for name in turns.rounds}
