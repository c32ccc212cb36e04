"""Convolutions that sum and cut on their way out, and those whose weights are packed for the processor."""

from __future__ import annotations

import torch
from torch import nn

from models.instructions import VECTORS, processor_has
from models.packed_kernels import Packed, convolution, convolution_onto


class Convolution(nn.Sequential):
    """A convolution, and its batch norm where that does not lie inside it (training).

    (n, before, *size) -> (n, after, *size / stride): the outputs, `plus` added to them, then ReLU where
    `relu`. `places`: the size that it is packed for; it takes any.
    """

    def __init__(self, convolution: nn.Module, *norm: nn.Module, places: tuple[int, ...]) -> None:
        super().__init__(convolution, *norm)
        self.places = places

    def forward(
        self, x: torch.Tensor, *, plus: torch.Tensor | None = None, relu: bool = False
    ) -> torch.Tensor:
        y = x
        for part in self:
            y = part(y)
        y = y if plus is None else y + plus
        return torch.relu(y) if relu else y


class PackedConvolution(Packed):
    """A Convolution without batch norm on a CPU, in the bits of its weight, summed in float32.

    Its weight lies in the layout that the kernel reads, which is otherwise made anew at every call. A line is
    a plane of one row. `plus` is overwritten.
    """

    def __init__(self, layer: Convolution) -> None:
        conv = layer[0]
        assert isinstance(conv, nn.Conv1d | nn.Conv2d)
        row = () if isinstance(conv, nn.Conv2d) else (1,)
        weight = conv.weight.detach().view(*conv.weight.shape[:2], *row, *conv.kernel_size)
        padding = [*(0 for _ in row), *(int(side) for side in conv.padding)]
        how = (padding, [*row, *conv.stride], [*row, *conv.dilation], conv.groups)
        pack = torch.ops.mkldnn._reorder_convolution_weight  # noqa: SLF001 - as the kernels
        inputs = [1, conv.in_channels, *row, *layer.places]
        super().__init__(pack(weight.contiguous(memory_format=torch.channels_last), *how, inputs))
        self.how = how
        self.bias = None if conv.bias is None else conv.bias.detach()

    def forward(
        self, x: torch.Tensor, *, plus: torch.Tensor | None = None, relu: bool = False
    ) -> torch.Tensor:
        plane = x if x.dim() == 4 else x[:, :, None]
        given = (plane.contiguous(memory_format=torch.channels_last), self.weight, self.bias, *self.how, relu)
        y: torch.Tensor
        y = convolution(*given) if plus is None else convolution_onto(plus, *given)
        return y


def pack_convolutions(encoder: nn.Module) -> None:
    """Put packed layers in place of a CPU encoder's convolutions, where its processor has the kernels.

    Those with a batch norm beside them are left as they are, and so is what is packed already.
    """
    if not processor_has(*VECTORS):
        return
    for module in list(encoder.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, Convolution) and len(child) == 1:
                setattr(module, name, PackedConvolution(child))
