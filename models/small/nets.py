"""The net of every modality but text: ResNet (He et al. 2016) with a stem of two strided layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import nn

from models.precision_convolutions import Convolution
from models.recording import Recordable
from models.small.sizes import DIM, NetSizes

CONVOLUTIONS: Mapping[int, Callable[..., nn.Module]] = MappingProxyType({1: nn.Conv1d, 2: nn.Conv2d})
NORMS: Mapping[int, Callable[..., nn.Module]] = MappingProxyType({1: nn.BatchNorm1d, 2: nn.BatchNorm2d})


class Layers:
    """Makes the layers of a net of `sizes`; `folded`: batch norms lie inside the convolutions, as shipped.

    `places` is the plane or line that the next layer is given.
    """

    def __init__(self, sizes: NetSizes, *, folded: bool) -> None:
        self.kernel, self.folded, self.places = sizes.kernel, folded, sizes.places

    def __call__(self, before: int, after: int, stride: int = 1) -> Convolution:
        """Convolution with "same" padding, then batch norm."""
        layer = self.over(self.places, before, after, stride, self.kernel)
        self.places = tuple(-(-side // stride) for side in self.places)
        return layer

    def over(
        self, places: tuple[int, ...], before: int, after: int, stride: int, kernel: int = 1
    ) -> Convolution:
        """A layer that is given `places`, beside the others."""
        dims = len(places)
        convolution = CONVOLUTIONS[dims](before, after, kernel, stride, kernel // 2, bias=self.folded)
        norms = () if self.folded else (NORMS[dims](after),)
        return Convolution(convolution, *norms, places=places)


class Residual(nn.Module):
    """Two convolutions and the way around them. (n, before, *size) -> (n, after, *size / stride)."""

    def __init__(self, layer: Layers, before: int, after: int, stride: int) -> None:
        super().__init__()
        given, same = layer.places, before == after and stride == 1
        self.first = layer(before, after, stride)
        self.second = layer(after, after)
        self.around = nn.Identity() if same else layer.over(given, before, after, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.second(self.first(x, relu=True), plus=self.around(x), relu=True)
        return y


class ConvNet(Recordable):
    """(n, channels, *places) -> (n, DIM): stem (stride 4), stages (all but the first halve), mean, linear."""

    def __init__(self, sizes: NetSizes, *, folded: bool = False) -> None:
        super().__init__()
        layer, width = Layers(sizes, folded=folded), sizes.widths[0]
        self.stem = nn.Sequential(
            layer(sizes.channels, width // 2, 2),
            nn.ReLU(),
            layer(width // 2, width, 2),
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
        self.shape = (sizes.channels, *sizes.places)

    def example(self, dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
        return (torch.zeros(2, *self.shape, dtype=dtype),)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """What the last layer sees, (n, channels, *size) -> (n, width)."""
        y: torch.Tensor = self.stages(self.stem(x)).flatten(2).mean(-1)
        return y

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.head(self.features(x))
        return y
