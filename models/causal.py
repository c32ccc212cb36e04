"""How much of its rows of tokens a causal transformer has to read: no token sees what comes after it."""

from __future__ import annotations

from collections.abc import Callable

import torch

# Kernels like round numbers, and rows of about the same length can go together.
STEP = 8


def up_to_ends(
    tokens: torch.Tensor, ends: torch.Tensor, read: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    """(n, dim) of `read(tokens, ends)`, int64 (m, length) and (m,), for rows of equal length together.

    `ends` are the places (n,) of the tokens that vectors are taken of. A sentence is a tenth of CLIP's 77
    tokens and costs a tenth of the time; its length is its own and not that of the longest beside it.
    """
    if torch.compiler.is_compiling():
        return read(tokens, ends)
    lengths = ((ends // STEP + 1) * STEP).clamp(max=tokens.shape[1])
    groups = [(lengths == length).nonzero()[:, 0] for length in torch.unique(lengths)]
    if len(groups) == 1:
        return read(tokens[:, : int(lengths[0])], ends)
    parts = [read(tokens[rows, : int(lengths[rows[0]])], ends[rows]) for rows in groups]
    order = torch.cat(groups).argsort()
    return torch.cat(parts)[order]
