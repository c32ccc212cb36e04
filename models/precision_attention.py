"""Attention in bfloat16 on a CPU: oneDNN's products, which torch's fused kernel for CPUs does without."""

from __future__ import annotations

import torch

LANES = 32  # values of 16 bits that the softmax takes at once; what is left over of a row it takes one by one


def _keys_and_values(
    k: torch.Tensor, v: torch.Tensor, extra: tuple[torch.Tensor, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Both with one more token, and with zeros up to a multiple of LANES."""
    n, tokens, width = k.shape
    both = k.new_zeros(2, n, -(-(tokens + 1) // LANES) * LANES, width)
    for filled, given, more in zip(both, (k, v), extra, strict=True):
        filled[:, :tokens] = given
        filled[:, tokens] = more
    return both[0], both[1]


def attend_in_bf16(
    qkv: torch.Tensor, heads: int, extra: tuple[torch.Tensor, torch.Tensor] | None = None
) -> torch.Tensor:
    """softmax(q k^T / sqrt(d)) v per head. bfloat16 (n, tokens, 3 width) -> (n, tokens, width).

    `extra`: one more key and value, each (1, width). The mean of an item's keys is taken from them, which
    changes no softmax and leaves the logits' 16 bits to their differences (SageAttention, Zhang et al. 2024).
    Item by item, so that the logits stay in the cache and no item sees its neighbours.
    """
    n, tokens, width = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
    q, k, v = qkv.chunk(3, dim=-1)
    keys = tokens
    if extra is not None:
        keys = tokens + 1
        k, v = _keys_and_values(k, v, extra)
    k = k - k[:, :keys].mean(1, keepdim=True)
    mixed = qkv.new_empty(n, tokens, width)
    scale, unused = (width // heads) ** -0.5, qkv.new_empty(1, 1, 1)
    by_head = (x.view(n, -1, heads, width // heads).transpose(1, 2).unbind() for x in (q, k, v, mixed))
    for query, key, value, out in zip(*by_head, strict=True):
        logits = torch.baddbmm(unused, query, key.transpose(1, 2), beta=0, alpha=scale)
        if logits.shape[2] > keys:
            logits[:, :, keys:] = -torch.inf
        torch.bmm(logits.softmax(-1), value, out=out)
    return mixed
