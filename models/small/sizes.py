"""Sizes of sensorium-small as literal tables. Towers, `prepare` and the training read them here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

DIM = 384  # the shared space


@dataclass(frozen=True)
class TextSizes:
    """The text transformer: MiniLM's width, half its depth, a factorised token embedding."""

    rank: int = 80
    width: int = 384
    heads: int = 12
    hidden: int = 1536
    layers: int = 3


@dataclass(frozen=True)
class NetSizes:
    """A residual net over `dims` axes: input `channels`, one width and one number of blocks per stage."""

    channels: int
    widths: tuple[int, ...]
    blocks: tuple[int, ...]
    dims: int = 2
    kernel: int = 3


TEXT = TextSizes()
NETS: Mapping[str, NetSizes] = MappingProxyType(
    {
        "image": NetSizes(channels=3, widths=(48, 96, 192, 384), blocks=(2, 2, 2, 2)),
        "audio": NetSizes(channels=1, widths=(32, 64, 128, 256), blocks=(1, 1, 1, 1)),
        "thermal": NetSizes(channels=1, widths=(24, 48, 96, 192), blocks=(1, 1, 2, 1)),
        "depth": NetSizes(channels=2, widths=(24, 48, 96, 192), blocks=(1, 1, 2, 1)),
        "imu": NetSizes(channels=10, widths=(64, 128, 224), blocks=(1, 1, 1), dims=1, kernel=5),
    }
)
