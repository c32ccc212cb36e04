"""A checkpoint's encoders for the modalities asked for, with their `prepare`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from models.assembly import Assembly
from models.embedder import Tower
from models.imagebind.keys import published_keys, published_shapes
from models.imagebind.prepare import TAKES
from models.imagebind.sizes import SIZES, Sizes
from models.imagebind.towers import build, temperature
from models.prepare import prepare_by_kind
from models.weights import Checkpoint, open_checkpoint

# Part of every identity: raise it when a change to `prepare` or a tower moves vectors.
PREPROCESSING = "imagebind 1"


def _keys(modality: str, sizes: Sizes) -> list[str]:
    return list(published_keys(modality, build(modality, sizes)).values())


def _tower(modality: str, sizes: Sizes, checkpoint: Checkpoint) -> Tower:
    encoder = build(modality, sizes)
    shapes = {own: tuple(tensor.shape) for own, tensor in encoder.state_dict().items()}
    names = published_keys(modality, encoder)
    state = {own: checkpoint.read(name, shapes[own]) for own, name in names.items()}
    encoder.load_state_dict(state, assign=True)
    return Tower(prepare_by_kind(modality, TAKES[modality]), encoder.eval(), temperature(encoder))


def assemble(size: str, weights: Path, modalities: Sequence[str]) -> Assembly:
    """`size`: a row of SIZES; `weights`: a file or folder. Raises WeightsError."""
    sizes = SIZES[size]
    checkpoint = open_checkpoint(weights)
    needed = {key: name for name in modalities for key in _keys(name, sizes)}
    checkpoint.expect(published_shapes(sizes), needed)
    towers = {name: _tower(name, sizes, checkpoint) for name in modalities}
    return Assembly(sizes.dim, towers, checkpoint.identity(PREPROCESSING))
