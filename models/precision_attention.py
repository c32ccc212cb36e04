"""Attention in the precision of its input: torch's fused kernel, or oneDNN's products where that is slow."""

from __future__ import annotations

from typing import TypeAlias

import torch
from torch.nn import functional

from models.instructions import TILES, processor_has

Extra: TypeAlias = tuple[torch.Tensor, torch.Tensor]

LANES = 32  # values of 16 bits that the softmax takes at once; what is left over of a row it takes one by one
TILE = 16  # keys of a tile; the fused kernel takes a fifth longer where some are left over


def _filled_up(
    k: torch.Tensor, v: torch.Tensor, extra: Extra | None, multiple: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Both with `extra` as one more token, and with zeros up to a multiple."""
    n, tokens, width = k.shape
    keys = tokens if extra is None else tokens + 1
    both = k.new_empty(2, n, -(-keys // multiple) * multiple, width)
    both[0, :, :tokens], both[1, :, :tokens], both[:, :, keys:] = k, v, 0
    if extra is not None:
        both[0, :, tokens], both[1, :, tokens] = extra
    return both[0], both[1]


def _hiding(mask: torch.Tensor | None, keys: int, like: torch.Tensor) -> torch.Tensor:
    """The mask, (1 or tokens, keys that there are now), that hides what lies beyond `keys` too."""
    hiding = like.new_zeros(1 if mask is None else len(mask), like.shape[1])
    hiding[:, keys:] = -torch.inf
    if mask is not None:
        hiding[:, :keys] = mask
    return hiding


def by_products(qkv: torch.Tensor, heads: int, extra: Extra | None = None) -> torch.Tensor:
    """softmax(q k^T / sqrt(d)) v per head, for CPUs. bfloat16 (n, tokens, 3 width) -> (n, tokens, width).

    `extra`: one more key and value, each (1, width). The mean of an item's keys is taken from them, which
    changes no softmax and leaves the logits' 16 bits to their differences (SageAttention, Zhang et al. 2024).
    Item by item, so that the logits stay in the cache and no item sees its neighbours.
    """
    n, tokens, width = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
    q, k, v = qkv.chunk(3, dim=-1)
    keys = tokens
    if extra is not None:
        keys = tokens + 1
        k, v = _filled_up(k, v, extra, LANES)
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


def fused(
    qkv: torch.Tensor,
    heads: int,
    extra: Extra | None = None,
    mask: torch.Tensor | None = None,
    multiple: int = 1,
) -> torch.Tensor:
    """The same in any precision by torch's kernel. `mask`: (tokens, tokens), added to the logits.

    `multiple`: of how many the number of keys is to be one; those that are added are hidden.
    """
    n, tokens, width = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
    q, k, v = qkv.chunk(3, dim=-1)
    keys = tokens if extra is None else tokens + 1
    if extra is not None or keys % multiple:
        k, v = _filled_up(k, v, extra, multiple)
    if keys % multiple:
        mask = _hiding(mask, keys, k)
    q, k, v = (x.view(n, -1, heads, width // heads).transpose(1, 2) for x in (q, k, v))
    mask = None if mask is None else mask.to(qkv.dtype)
    mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return mixed.transpose(1, 2).reshape(n, tokens, width)


def attend(
    qkv: torch.Tensor, heads: int, extra: Extra | None, mask: torch.Tensor | None, *, exact: torch.dtype
) -> torch.Tensor:
    """(n, tokens, 3 width) -> (n, tokens, width) by what is fastest here. `exact`: what surrounds it.

    In bfloat16 amid float32, on a CPU, the fused kernel is fast only where the processor multiplies tiles.
    """
    if qkv.dtype is exact:
        return fused(qkv, heads, extra, mask)
    if processor_has(*TILES):
        return fused(qkv, heads, extra, mask, TILE)
    return by_products(qkv, heads, extra) if mask is None else fused(qkv.to(exact), heads, None, mask)
