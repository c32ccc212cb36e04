"""Stand-in weights by rule: every array is a pure function of its published key and its shape.

Philox keyed with the first 16 bytes of sha256(key), standard normals times a spread that depends
on what the array is. The rule and the digests that guard it come with the reference measurements.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

PARITY = Path(__file__).parent / "parity"
# Initial temperatures, as natural logarithms.
LOG_SCALES = {"text": -math.log(0.07), "audio": math.log(20), "depth": math.log(5), "thermal": math.log(10)}
LOG_SCALES["imu"] = math.log(5)


def manifest(size: str) -> list[tuple[str, tuple[int, ...]]]:
    """(key, shape) of every array of the published checkpoint ("huge") or the reduced one ("nano")."""
    rows = json.loads((PARITY / f"imagebind_{size}.keys.json").read_text())
    return [(key, tuple(shape)) for key, shape, _ in rows]


def normals(key: str, shape: tuple[int, ...]) -> np.ndarray:
    words = np.frombuffer(hashlib.sha256(key.encode()).digest()[:16], "<u8").astype(np.uint64)
    generator = np.random.Generator(np.random.Philox(key=words, counter=0))
    return generator.standard_normal(shape, np.float32)


def spread(key: str, shape: tuple[int, ...]) -> float:
    if key.endswith((".bias_k", ".bias_v")):
        return 1.0
    if key.endswith((".cls_token", ".pos_embed", ".token_embedding.weight")):
        return 1 / math.sqrt(shape[-1])
    if key.endswith("bias"):
        return 0.02
    return 0.1 if len(shape) == 1 else 1 / math.sqrt(math.prod(shape[1:]))


def array(key: str, shape: tuple[int, ...]) -> np.ndarray:
    if key.endswith(".log_logit_scale"):
        return np.full(shape, LOG_SCALES[key.split(".")[1]], np.float32)
    if key.endswith(".mask"):
        return np.triu(np.full(shape, -np.inf, np.float32), 1)
    values = normals(key, shape) * np.float32(spread(key, shape))
    if key.endswith(".in_proj_weight"):
        values[: 2 * shape[0] // 3] *= np.float32(2)
    return values + np.float32(1) if key.endswith("weight") and len(shape) == 1 else values


def arrays(size: str, modalities: tuple[str, ...] = ()) -> Iterator[tuple[str, np.ndarray]]:
    """Published key and array, one at a time; only of some (published) modalities where given."""
    for key, shape in manifest(size):
        if not modalities or key.split(".")[1] in modalities:
            yield key, array(key, shape)


def state_dict(size: str) -> dict[str, torch.Tensor]:
    return {key: torch.from_numpy(values) for key, values in arrays(size)}


def save(size: str, path: Path) -> Path:
    """Write a checkpoint as torch.save does, and return its path."""
    torch.save(state_dict(size), path)
    return path
