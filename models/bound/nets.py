"""The towers of bound senses: an adapter for vectors, a small residual net for series and maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from types import MappingProxyType

import torch
from torch import nn

from models.bound.form import Form, NetSizes

CONVOLUTIONS: Mapping[int, Callable[..., nn.Module]] = MappingProxyType({1: nn.Conv1d, 2: nn.Conv2d})
KERNELS: Mapping[int, int] = MappingProxyType({1: 5, 2: 3})
GROUPS = 8
DROPPED = 0.1
SMALLEST_VARIANCE = 1e-5


class Residual(nn.Module):
    """Two convolutions and the way around them. (n, before, *size) -> (n, after, *size / stride)."""

    def __init__(self, dims: int, before: int, after: int, stride: int) -> None:
        super().__init__()
        layer, kernel = CONVOLUTIONS[dims], KERNELS[dims]
        self.first = layer(before, after, kernel, stride, kernel // 2)
        self.first_norm = nn.GroupNorm(GROUPS, after)
        self.second = layer(after, after, kernel, 1, kernel // 2)
        self.second_norm = nn.GroupNorm(GROUPS, after)
        same = before == after and stride == 1
        self.around = nn.Identity() if same else layer(before, after, 1, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = nn.functional.gelu(self.first_norm(self.first(x)))
        return nn.functional.gelu(self.second_norm(self.second(y)) + self.around(x))


def statistics(x: torch.Tensor) -> torch.Tensor:
    """Mean and spread over all places (Snyder et al. 2018, x-vectors). (n, c, *size) -> (n, 2c)."""
    flat = x.flatten(2)
    spread = (flat.var(-1, correction=0) + SMALLEST_VARIANCE).sqrt()
    return torch.cat([flat.mean(-1), spread], -1)


class SmallNet(nn.Module):
    """(n, channels, *size) -> (n, dim): stem, residual stages that halve the size, statistics, linear.

    Group norms need no large batches, but take the level out of a recording; so the input's own statistics go
    to the last layer as well.
    """

    def __init__(self, channels: int, dims: int, widths: tuple[int, ...], dim: int) -> None:
        super().__init__()
        kernel = KERNELS[dims]
        self.stem = CONVOLUTIONS[dims](channels, widths[0], kernel, 2, kernel // 2)
        stages = [(widths[0], widths[0], 1), *((a, b, 2) for a, b in pairwise(widths))]
        self.stages = nn.Sequential(*(Residual(dims, before, after, step) for before, after, step in stages))
        self.head = nn.Linear(2 * (widths[-1] + channels), dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = statistics(self.stages(self.stem(x)))
        y: torch.Tensor = self.head(torch.cat([features, statistics(x)], -1))
        return y


def _linear(form: Form, _: tuple[int, ...], dim: int) -> nn.Module:
    return nn.Sequential(nn.LayerNorm(form.channels), nn.Linear(form.channels, dim))


def _mlp(form: Form, widths: tuple[int, ...], dim: int) -> nn.Module:
    (hidden,) = widths
    return nn.Sequential(
        nn.LayerNorm(form.channels),
        nn.Linear(form.channels, hidden),
        nn.GELU(),
        nn.Dropout(DROPPED),
        nn.Linear(hidden, dim),
    )


def _convolution(form: Form, widths: tuple[int, ...], dim: int) -> nn.Module:
    return SmallNet(form.channels, len(form.size), widths, dim)


NETS: Mapping[str, Callable[[Form, tuple[int, ...], int], nn.Module]] = MappingProxyType(
    {"linear": _linear, "mlp": _mlp, "convolution": _convolution}
)


def build(net: NetSizes, form: Form, dim: int) -> nn.Module:
    """The tower with weights still random: views (n, channels, *size) -> (n, dim)."""
    return NETS[net.kind](form, net.widths, dim)
