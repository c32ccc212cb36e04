"""Rendered scenes kept in a file, as drawing thousands takes minutes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from training.rendered.meshes import Mesh
from training.rendered.scenes import Scene, scene

SEPARATOR = "\n"  # between the captions of a scene


def stored_scenes(path: Path, count: int, seed: int, meshes: Sequence[Mesh] = ()) -> list[Scene]:
    """Scenes 0 .. count of a seed, from `path` where it has as many; half precision in metres."""
    found = _read(path, seed) if path.exists() else []
    if len(found) < count:
        found += [scene(number, seed, meshes) for number in range(len(found), count)]
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, seed, found)
    return found[:count]


def _write(path: Path, seed: int, scenes: Sequence[Scene]) -> None:
    beside = path.with_suffix(".part.npz")
    np.savez(
        beside,
        seed=seed,
        metres=np.stack([scene.metres for scene in scenes]).astype(np.float16),
        pixels=np.stack([scene.pixels for scene in scenes]),
        words=np.array([(SEPARATOR.join(s.captions), s.label, s.concept) for s in scenes]),
    )
    beside.replace(path)


def _read(path: Path, seed: int) -> list[Scene]:
    with np.load(path) as arrays:
        if int(arrays["seed"]) != seed:
            return []
        metres, pixels, words = arrays["metres"].astype(np.float32), arrays["pixels"], arrays["words"]
    return [
        Scene(depth, picture, tuple(str(captions).split(SEPARATOR)), str(label), str(concept))
        for depth, picture, (captions, label, concept) in zip(metres, pixels, words, strict=True)
    ]
