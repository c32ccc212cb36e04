"""The one transformer of all six trunks: pre-norm blocks with exact GELU, ViT's residual order."""

from __future__ import annotations

import torch
from torch import nn

from models.imagebind.sizes import MLP_RATIO, TRUNK_NORM_EPS, Trunk
from models.precision_attention import attend
from models.precision_items import Stack
from models.precision_layers import Linear


class Attention(nn.Module):
    """Multi-head attention with packed query, key and value. (n, tokens, width) -> the same shape.

    `extra_token`: one learned key and value beside those of the tokens. They are appended after
    the projection, so they carry no position and no token attends from them.
    """

    def __init__(self, width: int, heads: int, *, extra_token: bool) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj = Linear(width, 3 * width, halved=True)
        self.bias_k = nn.Parameter(torch.empty(1, 1, width)) if extra_token else None
        self.bias_v = nn.Parameter(torch.empty(1, 1, width)) if extra_token else None
        self.out_proj = Linear(width, width)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """`mask`: (tokens, tokens), added to the attention's logits."""
        extra = None if self.bias_k is None or self.bias_v is None else (self.bias_k[0], self.bias_v[0])
        qkv = self.in_proj(x)
        out: torch.Tensor = self.out_proj(attend(qkv, self.heads, extra, mask, exact=x.dtype))
        return out


class Mlp(nn.Module):
    """Two linear layers with exact GELU between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = Linear(width, MLP_RATIO * width)
        self.fc2 = Linear(MLP_RATIO * width, width, uneven=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.fc2(self.fc1(x, gelu=True))
        return out


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, width: int, heads: int, *, extra_token: bool) -> None:
        super().__init__()
        self.norm_1 = nn.LayerNorm(width, TRUNK_NORM_EPS)
        self.attn = Attention(width, heads, extra_token=extra_token)
        self.norm_2 = nn.LayerNorm(width, TRUNK_NORM_EPS)
        self.mlp = Mlp(width)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        x = x + self.attn(self.norm_1(x), mask)
        out: torch.Tensor = x + self.mlp(self.norm_2(x))
        return out


def blocks(trunk: Trunk, *, extra_token: bool) -> Stack:
    """The blocks of a trunk; no norm follows the last one (the heads bring theirs)."""
    return Stack(Block(trunk.width, trunk.heads, extra_token=extra_token) for _ in range(trunk.blocks))
