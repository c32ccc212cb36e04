"""A published ImageBind checkpoint as one safetensors file per encoder, streamed tensor by tensor."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch

from models.errors import WeightsError
from models.imagebind.keys import modality_of, published_shapes
from models.imagebind.sizes import SIZES
from models.weights import DTYPES, INDEX_FORMAT, INDEX_NAME, Checkpoint, Stored, open_checkpoint


def _expect_imagebind(checkpoint: Checkpoint) -> None:
    faults = []
    for size, sizes in SIZES.items():
        shapes = published_shapes(sizes)
        try:
            checkpoint.expect(shapes, dict.fromkeys(shapes, "all encoders"))
        except WeightsError as error:
            faults.append(f"as {size}: {error.message}")
        else:
            return
    raise WeightsError(f"not a whole ImageBind checkpoint; {'; '.join(faults)}")


def _by_modality(checkpoint: Checkpoint) -> dict[str, dict[str, Stored]]:
    groups: dict[str, dict[str, Stored]] = {}
    for key, stored in checkpoint.tensors.items():
        groups.setdefault(modality_of(key), {})[key] = stored
    return groups


def _header(tensors: Mapping[str, Stored]) -> bytes:
    names = {dtype: name for name, dtype in DTYPES.items()}
    rows, end = {}, 0
    for key, stored in tensors.items():
        start, end = end, end + stored.nbytes
        row = {"dtype": names[stored.dtype], "shape": stored.shape, "data_offsets": [start, end]}
        rows[key] = row
    text = json.dumps(rows).encode()
    return text + b" " * (-len(text) % 8)  # values begin at a multiple of 8 bytes


def _write(path: Path, tensors: Mapping[str, Stored]) -> None:
    """The safetensors format: length of the header, the header, the values one after the other."""
    header = _header(tensors)
    beside = path.with_name(path.name + ".part")
    with beside.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for stored in tensors.values():
            file.write(stored.read().flatten().view(torch.uint8).numpy().data)
    beside.replace(path)


def _replace(path: Path, content: bytes) -> None:
    beside = path.with_name(path.name + ".part")
    beside.write_bytes(content)
    beside.replace(path)


def convert(source: Path, destination: Path) -> None:
    """Write `source` (.pth or .safetensors) as a folder that `load` accepts in its place.

    Vectors and identity stay the same; files of encoders that are not needed may be deleted.
    Memory: one tensor. Raises WeightsError where `source` is no whole ImageBind checkpoint.
    """
    checkpoint = open_checkpoint(source)
    _expect_imagebind(checkpoint)
    destination.mkdir(parents=True, exist_ok=True)
    files = {f"{name}.safetensors": tensors for name, tensors in _by_modality(checkpoint).items()}
    for name, tensors in files.items():
        _write(destination / name, tensors)
    index = {INDEX_FORMAT: {"files": list(files), "digests": checkpoint.digests()}}
    _replace(destination / INDEX_NAME, json.dumps(index, indent=1).encode())
