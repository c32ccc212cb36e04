"""The text tower: three BERT layers over CLIP's byte-pair tokens, mean pooling as in MiniLM."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from models.clip_bpe import CONTEXT, END, VOCABULARY
from models.precision_layers import Linear
from models.recording import Recordable, recording, scripted
from models.small.sizes import DIM, TEXT, TextSizes

NORM_EPS = 1e-12  # BERT's


class Block(nn.Module):
    """A transformer layer with the norms after the sums (BERT). (n, tokens, width) -> the same."""

    def __init__(self, sizes: TextSizes) -> None:
        super().__init__()
        self.heads = sizes.heads
        self.qkv = Linear(sizes.width, 3 * sizes.width)
        self.out = Linear(sizes.width, sizes.width)
        self.norm_attention = nn.LayerNorm(sizes.width, NORM_EPS)
        self.up = Linear(sizes.width, sizes.hidden)
        self.down = Linear(sizes.hidden, sizes.width, uneven=True)
        self.norm_mlp = nn.LayerNorm(sizes.width, NORM_EPS)

    def forward(self, x: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """`real`: bool (n, tokens), False where padded."""
        x = self.norm_attention(x + self.attend(x, real))
        y: torch.Tensor = self.norm_mlp(x + self.down(self.up(x, gelu=True)))
        return y

    def attend(self, x: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        n, tokens, width = x.shape
        q, k, v = self.qkv(x).to(x.dtype).view(n, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind()
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=real[:, None, None, :])
        y: torch.Tensor = self.out(mixed.transpose(1, 2).reshape(n, tokens, width))
        return y


def cut(tokens: torch.Tensor, end: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids (n, CONTEXT) -> those up to the `end` of the longest text, and how many each has, (n,)."""
    lengths = (tokens == end).int().argmax(-1) + 1
    return tokens[:, : int(lengths.max())].contiguous(), lengths


# A recording holds lengths as they were, but for what is scripted.
recorded_cut = scripted(cut)


class TextTower(Recordable):
    """int64 token ids (n, CONTEXT), zeros after the end token -> (n, DIM).

    The batch is cut to its longest text; padding is masked, so a text's vector does not depend on
    its neighbours.
    """

    def __init__(self, sizes: TextSizes = TEXT) -> None:
        super().__init__()
        self.tokens = nn.Embedding(VOCABULARY, sizes.rank)
        self.widen = nn.Linear(sizes.rank, sizes.width, bias=False)
        self.positions = nn.Parameter(torch.zeros(CONTEXT, sizes.width))
        self.norm = nn.LayerNorm(sizes.width, NORM_EPS)
        self.blocks = nn.ModuleList(Block(sizes) for _ in range(sizes.layers))
        self.bias = nn.Parameter(torch.zeros(DIM))

    def example(self, _: torch.dtype) -> tuple[torch.Tensor, ...]:
        tokens = torch.zeros(2, CONTEXT, dtype=torch.int64)
        tokens[0, 4] = tokens[1, 2] = END
        return (tokens,)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        tokens, lengths = (recorded_cut if recording() else cut)(tokens, END)
        real = torch.arange(tokens.shape[1], device=tokens.device) < lengths[:, None]
        x = self.norm(self.widen(self.tokens(tokens)) + self.positions[: tokens.shape[1]])
        for block in self.blocks:
            x = block(x, real)
        return mean_of_real(x, real) + self.bias


def mean_of_real(x: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """Mean over the tokens that are not padding. (n, tokens, width), bool (n, tokens) -> (n, width)."""
    weight = real.to(x.dtype)[..., None]
    return (x * weight).sum(1) / weight.sum(1)
