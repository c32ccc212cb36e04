"""The models that can be loaded by name: what they encode, where weights come from, under which licence."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

CACHE_VARIABLE = "SENSORIUM_MODEL_CACHE"
OPEN_CLIP_PREFIX = "open_clip:"
SENSES = ("text", "image", "audio", "depth", "thermal", "imu")


@dataclass(frozen=True)
class Entry:
    """One model, or with a `*` in its name a family of them.

    `dimension`, `size_bytes` and `sha256` are None where they depend on the member or on a path
    that the caller gives. `source` is a URL, or a word on where weights come from.
    """

    name: str
    description: str
    modalities: tuple[str, ...]
    dimension: int | None
    licence: str
    source: str
    licence_url: str | None = None
    size_bytes: int | None = None
    sha256: str | None = None

    @property
    def downloadable(self) -> bool:
        """Whether `load` fetches the weights itself when none are given."""
        return self.source.startswith("https://")


REGISTRY: Mapping[str, Entry] = MappingProxyType(
    {
        "sensorium-small": Entry(
            name="sensorium-small",
            description="our own six-modality model, trained by training/; starts in seconds, no network",
            modalities=SENSES,
            dimension=384,
            licence="Apache-2.0",
            licence_url="https://www.apache.org/licenses/LICENSE-2.0",
            source="in the package",
        ),
        "imagebind-huge": Entry(
            name="imagebind-huge",
            description="the published ImageBind (Girdhar et al. 2023)",
            modalities=SENSES,
            dimension=1024,
            licence="CC-BY-NC-SA-4.0",
            licence_url="https://creativecommons.org/licenses/by-nc-sa/4.0/",
            source="https://dl.fbaipublicfiles.com/imagebind/imagebind_huge.pth",
            size_bytes=4_803_584_173,
            sha256="d6f6c22bedcc90708448d5d2fbb7b2db9c73f505dc89bd0b2e09b23af1b62157",
        ),
        "imagebind-nano": Entry(
            name="imagebind-nano",
            description="ImageBind's structure at a width of 64, for tests",
            modalities=SENSES,
            dimension=32,
            licence="that of the weights given",
            source="a path",
        ),
        "open_clip:*": Entry(
            name="open_clip:*",
            description="any two-tower model of open_clip, e.g. open_clip:ViT-B-32/none (architecture/tag)",
            modalities=("text", "image"),
            dimension=None,
            licence="that of the weights named by TAG",
            source="open_clip's own loader; a path; random where TAG is none",
        ),
    }
)


def cache_dir() -> Path:
    """Where downloaded weights are kept: SENSORIUM_MODEL_CACHE, else ~/.cache/sensorium/models."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen) if chosen else Path.home() / ".cache" / "sensorium" / "models"


def entry_of(name: str) -> Entry | None:
    """The entry of a model's name, None where there is none."""
    return REGISTRY["open_clip:*"] if name.startswith(OPEN_CLIP_PREFIX) else REGISTRY.get(name)
