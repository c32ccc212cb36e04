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
    """A residual net: `channels` over a plane or line of `places`, one width and some blocks per stage."""

    channels: int
    places: tuple[int, ...]
    widths: tuple[int, ...]
    blocks: tuple[int, ...]
    kernel: int = 3


TEXT = TextSizes()
NETS: Mapping[str, NetSizes] = MappingProxyType(
    {
        "image": NetSizes(channels=3, places=(64, 64), widths=(48, 96, 192, 384), blocks=(2, 2, 2, 2)),
        "audio": NetSizes(channels=1, places=(128, 100), widths=(32, 64, 128, 256), blocks=(1, 1, 1, 1)),
        "thermal": NetSizes(channels=1, places=(96, 96), widths=(24, 48, 96, 192), blocks=(1, 1, 2, 1)),
        "depth": NetSizes(channels=2, places=(64, 64), widths=(24, 48, 96, 192), blocks=(1, 1, 2, 1)),
        "imu": NetSizes(channels=10, places=(256,), widths=(64, 128, 224), blocks=(1, 1, 1), kernel=5),
    }
)
