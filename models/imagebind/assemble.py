"""A checkpoint's encoders for the modalities asked for, with their `prepare`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TypeAlias

import torch
from torch import nn

from models.assembly import Assembly
from models.embedder import Tower
from models.imagebind.keys import published_keys, published_shapes
from models.imagebind.prepare import TAKES
from models.imagebind.sizes import SIZES, Sizes
from models.imagebind.towers import Encoder, build, temperature
from models.precision import Fill, fit
from models.prepare import prepare_by_kind
from models.weights import Checkpoint, open_checkpoint

# Part of every identity: raise it when a change to `prepare` or a tower moves vectors.
PREPROCESSING = "imagebind 1"

Ready: TypeAlias = partial[torch.dtype]
READY: Ready = partial(fit, precision="fp32")


def _keys(modality: str, sizes: Sizes) -> list[str]:
    return list(published_keys(modality, build(modality, sizes)).values())


def _filler(modality: str, encoder: Encoder, checkpoint: Checkpoint) -> Fill:
    """Gives a part of the encoder, on the meta device until then, its own tensors."""
    names = published_keys(modality, encoder)

    def fill(path: str, part: nn.Module) -> None:
        state = {
            key: checkpoint.read(names[f"{path}.{key}" if path else key], tuple(tensor.shape))
            for key, tensor in part.state_dict().items()
            if "." not in key and tensor.is_meta
        }
        part.load_state_dict(state, strict=False, assign=True)

    return fill


def _tower(modality: str, sizes: Sizes, checkpoint: Checkpoint, ready: Ready) -> Tower:
    encoder = build(modality, sizes)
    fill = _filler(modality, encoder, checkpoint)
    fill("", encoder)
    scale = temperature(encoder)  # before it is cast
    ready(encoder, fill=fill)
    return Tower(prepare_by_kind(modality, TAKES[modality]), encoder, scale)


def assemble(size: str, weights: Path, modalities: Sequence[str], ready: Ready = READY) -> Assembly:
    """`size`: a row of SIZES; `weights`: a file or folder; `ready`: `fit` for a precision.

    Raises WeightsError.
    """
    sizes = SIZES[size]
    checkpoint = open_checkpoint(weights)
    needed = {key: name for name in modalities for key in _keys(name, sizes)}
    checkpoint.expect(published_shapes(sizes), needed)
    towers = {name: _tower(name, sizes, checkpoint, ready) for name in modalities}
    return Assembly(sizes.dim, towers, checkpoint.identity(PREPROCESSING))
