"""The net of every modality but text: ResNet (He et al. 2016) with a stem of two strided layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import nn

from models.small.sizes import DIM, NetSizes

CONVOLUTIONS: Mapping[int, Callable[..., nn.Module]] = MappingProxyType({1: nn.Conv1d, 2: nn.Conv2d})
NORMS: Mapping[int, Callable[..., nn.Module]] = MappingProxyType({1: nn.BatchNorm1d, 2: nn.BatchNorm2d})


@dataclass(frozen=True)
class Layers:
    """Makes the layers of a net of `sizes`; `folded`: batch norms lie inside the convolutions, as shipped."""

    sizes: NetSizes
    folded: bool

    def __call__(self, before: int, after: int, kernel: int, stride: int = 1) -> nn.Sequential:
        """Convolution with "same" padding, then batch norm."""
        dims, padding = self.sizes.dims, kernel // 2
        convolution = CONVOLUTIONS[dims](before, after, kernel, stride, padding, bias=self.folded)
        return nn.Sequential(convolution) if self.folded else nn.Sequential(convolution, NORMS[dims](after))


class Residual(nn.Module):
    """Two convolutions and the way around them. (n, before, *size) -> (n, after, *size / stride)."""

    def __init__(self, layer: Layers, before: int, after: int, stride: int) -> None:
        super().__init__()
        kernel = layer.sizes.kernel
        self.first = layer(before, after, kernel, stride)
        self.second = layer(after, after, kernel)
        same = before == after and stride == 1
        self.around = nn.Identity() if same else layer(before, after, 1, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.second(torch.relu(self.first(x))) + self.around(x))


class ConvNet(nn.Module):
    """(n, channels, *size) -> (n, DIM): stem (stride 4), stages (each halves but the first), mean, linear."""

    def __init__(self, sizes: NetSizes, *, folded: bool = False) -> None:
        super().__init__()
        layer, width, kernel = Layers(sizes, folded), sizes.widths[0], sizes.kernel
        self.stem = nn.Sequential(
            layer(sizes.channels, width // 2, kernel, 2),
            nn.ReLU(),
            layer(width // 2, width, kernel, 2),
            nn.ReLU(),
        )
        blocks = []
        for stage, (after, count) in enumerate(zip(sizes.widths, sizes.blocks, strict=True)):
            for block in range(count):
                stride = 2 if stage > 0 and block == 0 else 1
                blocks.append(Residual(layer, width, after, stride))
                width = after
        self.stages = nn.Sequential(*blocks)
        self.head = nn.Linear(width, DIM)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """What the last layer sees, (n, channels, *size) -> (n, width)."""
        y: torch.Tensor = self.stages(self.stem(x)).flatten(2).mean(-1)
        return y

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.head(self.features(x))
        return y
