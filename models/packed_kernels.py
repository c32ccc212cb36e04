"""oneDNN's kernels for packed weights: those that torch.compile puts in place of layers.

They are TorchScript functions, as a recording (models/recording.py) cannot take their lists from Python. Each
empty list stands for the numbers of what follows a product, none of which needs any.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from models.recording import scripted


class Packed(nn.Module):
    """A layer whose `weight` lies in its kernel's layout; what casts or moves a net leaves it as it is."""

    weight: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight, persistent=False)

    def _apply(self, _fn: Callable[[Tensor], Tensor], _recurse: bool = True) -> "Packed":  # noqa: FBT002 - torch's
        return self


def _linear(x: Tensor, weight: Tensor, bias: Tensor, gelu: bool) -> Tensor:
    how, exact = ("gelu", "none") if gelu else ("none", "")
    y: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, how, [], exact)
    return y


def _convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    padding: list[int],
    stride: list[int],
    dilation: list[int],
    groups: int,
    relu: bool,
) -> Tensor:
    how = "relu" if relu else "none"
    y: Tensor = torch.ops.mkldnn._convolution_pointwise(
        x, weight, bias, padding, stride, dilation, groups, how, [], ""
    )
    return y


def _convolution_onto(
    plus: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    padding: list[int],
    stride: list[int],
    dilation: list[int],
    groups: int,
    relu: bool,
) -> Tensor:
    then = "relu" if relu else None
    y: Tensor = torch.ops.mkldnn._convolution_pointwise_(
        plus, x, weight, bias, padding, stride, dilation, groups, "add", 1.0, then, [], ""
    )
    return y


def _scripted(kernel: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The kernel in TorchScript, where this torch has oneDNN; elsewhere nothing is packed."""
    return scripted(kernel) if torch._C._has_mkldnn else kernel


linear = _scripted(_linear)
"""(x, weight, bias, gelu) -> x W^T + b, then GELU where `gelu`."""
convolution = _scripted(_convolution)
"""(x, weight, bias, padding, stride, dilation, groups, relu) -> the outputs, then ReLU where `relu`."""
convolution_onto = _scripted(_convolution_onto)
"""The same onto `plus`, its first argument, which is overwritten and given back."""
