"""Linear layers packed for the processor: oneDNN's in fp32 and bf16, and int8 weights with int8 products.

The packed layers hold their weights in the layout that the processor's kernel reads, and nothing else; the
GELU or the sum that follows a product is done on its way out, in float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeAlias

import torch
from torch import nn
from torch.nn import functional

from models import packed_kernels
from models.instructions import NATIVE_BF16, processor_has
from models.packed_kernels import Packed

ACTIVATION_STEPS = 255  # of 8 bits, between an item's smallest and largest value
WEIGHT_STEPS = 127  # on either side of zero
SMALLEST_STEP = 1e-12  # of values that are all zero
ZERO_LEVEL = 128  # of rows whose levels lie around zero
# Rows of an item that share a scale: a product of fewer leaves the processor half idle, but rows with a scale
# each can go through a product together with those of other items.
MANY_ROWS = 128
After: TypeAlias = tuple[str, list[float], str]
AFTER: Mapping[bool, After] = MappingProxyType(
    {False: ("none", [], ""), True: ("gelu", [], "none")}  # oneDNN's words for what follows a product
)


class Linear(nn.Linear):
    """(n, .., before) -> (n, .., after): x W^T + b, then GELU where `gelu`.

    `uneven`: some rows of its input are much larger than others, as behind a GELU; int8 scales each alone.
    `halved`: what reads its output takes bfloat16 as well, and is faster with it.
    """

    def __init__(self, before: int, after: int, *, uneven: bool = False, halved: bool = False) -> None:
        super().__init__(before, after)
        self.uneven = uneven
        self.halved = halved

    def forward(self, x: torch.Tensor, *, gelu: bool = False) -> torch.Tensor:
        y = functional.linear(x, self.weight, self.bias)
        return functional.gelu(y) if gelu else y


class PackedLinear(Packed):
    """A Linear in `dtype` on a CPU, summed in float32; gives `dtype`.

    `together`: most numbers that go through a transformer's block at once. Four times as many, in float32,
    are what a layer in it hands to the next, and of over 32 MB the C library fetches every page anew.
    """

    dtype: torch.dtype
    together = 1_320_000

    def __init__(self, linear: Linear) -> None:
        # As the kernels are: torch.compile's.
        super().__init__(torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach().to(self.dtype)))  # noqa: SLF001 - as above
        self.bias = linear.bias.detach().to(self.dtype)

    def forward(self, x: torch.Tensor, *, gelu: bool = False) -> torch.Tensor:
        y: torch.Tensor = packed_kernels.linear(x.to(self.dtype), self.weight, self.bias, gelu)
        return y


class Fp32Linear(PackedLinear):
    """A Linear as it is, in the kernel's layout."""

    dtype = torch.float32


class Bf16Linear(PackedLinear):
    """A Linear in half the bits."""

    dtype = torch.bfloat16


def _levels(x: torch.Tensor, step: float, zero: int) -> torch.Tensor:
    """round(x / step) + zero as uint8, within its range."""
    quantised = torch.quantize_per_tensor(x, step, zero, torch.quint8)
    levels = torch.empty(0, dtype=torch.uint8)
    return levels.set_(quantised.untyped_storage(), 0, x.shape, x.stride())


def _rows_of_levels(x: torch.Tensor) -> torch.Tensor:
    """(n, before) -> (n, before + 8): uint8 levels over each row's range, its step and its smallest value.

    FBGEMM's kernel for the rows of embedding tables, which does all of it while a row is in the cache.
    """
    rows: torch.Tensor = torch.ops.quantized.embedding_bag_byte_prepack(x)
    return rows


def _levels_around_zero(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(n, before) -> its uint8 levels around ZERO_LEVEL, and each row's step, (n, 1)."""
    largest = torch.maximum(x.amax(-1, keepdim=True), x.amin(-1, keepdim=True).neg())
    steps = (largest / WEIGHT_STEPS).clamp_min(SMALLEST_STEP)
    return _levels(x * steps.reciprocal(), 1.0, ZERO_LEVEL), steps


class Int8Linear(nn.Module):
    """A Linear with a weight of 8 bits, one scale per output; takes float32 and gives it.

    Where bfloat16 will do (`halved`) and the processor multiplies it, it gives that.
    Activations are rounded to 8 bits over the range of their own item, or row where these are uneven or few,
    so that a vector does not depend on its neighbours in the batch (torch.ao's dynamic quantisation, whose
    range is that of the whole batch, would make it). `together`: of so many numbers an item goes alone, in
    ViT-H a picture.
    """

    together = 330_000

    def __init__(self, linear: Linear) -> None:
        super().__init__()
        weight = linear.weight.detach().float()
        self.uneven = linear.uneven
        halved = linear.halved and processor_has(*NATIVE_BF16)
        self.gives = torch.bfloat16 if halved else torch.float32
        self.scales = (weight.abs().amax(1) / WEIGHT_STEPS).clamp_min(SMALLEST_STEP)
        self.zeros = torch.zeros(len(weight), dtype=torch.int64)
        steps = (weight / self.scales[:, None]).round().to(torch.int8)
        self.weight = torch.ops.onednn.qlinear_prepack(steps, None)
        self.sums = steps.sum(1, dtype=torch.int32) * self.scales
        self.bias = linear.bias.detach().float()

    def forward(self, x: torch.Tensor, *, gelu: bool = False) -> torch.Tensor:
        x = x.float().contiguous()
        if self.uneven and not gelu:
            return self._uneven_rows(x.flatten(0, -2)).view(*x.shape[:-1], -1)
        if x[0].numel() < MANY_ROWS * x.shape[-1]:
            return self._rows(x.flatten(0, -2), gelu).view(*x.shape[:-1], -1)
        rows = [self._item(item, gelu) for item in x]
        return torch.stack(rows) if len(rows) > 1 else rows[0][None]

    def _item(self, x: torch.Tensor, gelu: bool) -> torch.Tensor:  # noqa: FBT001 - as forward's
        low, high = (float(end) for end in x.aminmax())
        low, high = min(low, 0.0), max(high, 0.0)
        step = max((high - low) / ACTIVATION_STEPS, SMALLEST_STEP)
        zero = round(-low / step)
        return self._product(_levels(x, step, zero), step, zero, self.bias, AFTER[gelu])

    def _rows(self, x: torch.Tensor, gelu: bool) -> torch.Tensor:  # noqa: FBT001 - as forward's
        """(n, before) -> (n, after), each row's levels around zero."""
        levels, steps = _levels_around_zero(x)
        product = self._product(levels, 1.0, ZERO_LEVEL, None, AFTER[False])
        y = torch.addcmul(self.bias.to(self.gives), product, steps.to(self.gives), out=product)
        return functional.gelu(y) if gelu else y

    def _uneven_rows(self, x: torch.Tensor) -> torch.Tensor:
        """Level l of a row means l * step + low, so its product is step * (l W^T) + low * (sums of W)."""
        rows = _rows_of_levels(x)
        levels, ends = rows[:, : x.shape[-1]], rows[:, x.shape[-1] :].contiguous().view(torch.float32)
        step, low = ends[:, :1], ends[:, 1:]
        product = self._product(levels, 1.0, 0, None, AFTER[False])
        return torch.addcmul(self.bias, self.sums, low).addcmul_(product, step)

    def _product(
        self, levels: torch.Tensor, step: float, zero: int, bias: torch.Tensor | None, after: After
    ) -> torch.Tensor:
        left, right = (levels, step, zero), (self.weight, self.scales, self.zeros)
        y: torch.Tensor = torch.ops.onednn.qlinear_pointwise(*left, *right, bias, 1.0, 0, self.gives, *after)
        return y
