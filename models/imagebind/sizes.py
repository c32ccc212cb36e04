"""Sizes of ImageBind's six encoders (Girdhar et al. 2023), one row per modality, and what all share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

CONTEXT = 77  # text tokens, start and end included
VOCABULARY = 49_408
MLP_RATIO = 4  # hidden width of a block's MLP over its width

IMAGE_SIDE = 224  # pixels; also the side of depth and thermal pictures
IMAGE_FRAMES = 2  # a still is shown twice
IMAGE_PATCH = 14  # pixels
PICTURE_PATCH = 16  # pixels, depth and thermal
MEL_BINS = 128
MEL_FRAMES = 204
MEL_PATCH = 16
MEL_STRIDE = 10
IMU_AXES = 6
IMU_SAMPLES = 2000
IMU_WINDOW = 8  # samples per token

TRUNK_NORM_EPS = 1e-6  # blocks, the norm before the image trunk, heads
STEM_NORM_EPS = 1e-5  # the norm after a stem's projection


@dataclass(frozen=True)
class Trunk:
    """A transformer: `blocks` deep, `width` wide, `heads` attention heads."""

    blocks: int
    width: int
    heads: int


@dataclass(frozen=True)
class Sizes:
    """A model: the dimension of the shared space and a trunk per modality."""

    dim: int
    trunks: Mapping[str, Trunk]


SIZES: Mapping[str, Sizes] = MappingProxyType(
    {
        "huge": Sizes(
            dim=1024,
            trunks=MappingProxyType(
                {
                    "text": Trunk(blocks=24, width=1024, heads=16),
                    "image": Trunk(blocks=32, width=1280, heads=16),
                    "audio": Trunk(blocks=12, width=768, heads=12),
                    "depth": Trunk(blocks=12, width=384, heads=8),
                    "thermal": Trunk(blocks=12, width=768, heads=12),
                    "imu": Trunk(blocks=6, width=512, heads=8),
                }
            ),
        ),
        "nano": Sizes(
            dim=32,
            trunks=MappingProxyType(
                {
                    "text": Trunk(blocks=2, width=64, heads=4),
                    "image": Trunk(blocks=2, width=64, heads=4),
                    "audio": Trunk(blocks=2, width=64, heads=4),
                    "depth": Trunk(blocks=2, width=64, heads=2),
                    "thermal": Trunk(blocks=2, width=64, heads=4),
                    "imu": Trunk(blocks=2, width=64, heads=8),
                }
            ),
        ),
    }
)
