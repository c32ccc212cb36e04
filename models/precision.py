"""Number formats of the encoders: which there are, which this machine has, and the making of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import TypeAlias

import torch
from torch import nn

from models.errors import ParameterError
from models.instructions import NATIVE_BF16, NATIVE_INT8, VECTORS, processor_has
from models.precision_convolutions import pack_convolutions
from models.precision_items import SideBySide, Stack
from models.precision_layers import Bf16Linear, Fp32Linear, Int8Linear, Linear, PackedLinear
from models.recording import record

log = logging.getLogger(__name__)

Packed: TypeAlias = type[PackedLinear] | type[Int8Linear]

AUTO = "auto"
DTYPES: Mapping[str, torch.dtype] = MappingProxyType(
    {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
)
# What a CPU's linear layers become, and the instructions that they need (any).
PACKED: Mapping[str, tuple[Packed, tuple[str, ...]]] = MappingProxyType(
    {
        "fp32": (Fp32Linear, VECTORS),
        "bf16": (Bf16Linear, NATIVE_BF16),
        "int8": (Int8Linear, NATIVE_INT8),
    }
)
ON_CPU = ("fp32", "bf16", "int8")
ON_GPU = ("fp32", "bf16", "fp16")

Fill: TypeAlias = Callable[[str, nn.Module], None]


def precisions(device: str = "cpu") -> tuple[str, ...]:
    """What can be asked for on `device` of this machine, beside `auto`."""
    if torch.device(device).type == "cuda":
        return ON_GPU
    return tuple(name for name in ON_CPU if name != "int8" or processor_has(*NATIVE_INT8))


def _fastest(device: str) -> str:
    """The fastest that keeps the vectors (cosine of .999): half the bits where they are native."""
    if torch.device(device).type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    return "bf16" if processor_has(*NATIVE_BF16) else "fp32"


def expect_precision(name: str, device: str = "cpu") -> None:
    """Raises ParameterError for what cannot be had on `device`."""
    accepted = precisions(device)
    if name in accepted:
        return
    fault = (
        f"is not supported by this machine's {torch.device(device).type}"
        if name in (*ON_CPU, *ON_GPU)
        else "is not known"
    )
    raise ParameterError(f"precision {name!r} {fault}; accepted are {', '.join((*accepted, AUTO))}")


def resolve(name: str, device: str = "cpu") -> str:
    """`name`, or what `auto` stands for on `device`. Raises ParameterError as `expect_precision`."""
    if name != AUTO:
        expect_precision(name, device)
        return name
    chosen = _fastest(device)
    log.info("precision auto: %s on %s", chosen, device)
    return chosen


def _packed(precision: str, device: str) -> Packed | None:
    if torch.device(device).type != "cpu":
        return None
    kind, needed = PACKED.get(precision, (None, ()))
    return kind if processor_has(*needed) else None


def dtype_of(
    encoder: nn.Module, precision: str, device: str = "cpu", *, compiled: bool = False
) -> torch.dtype:
    """What an encoder of this precision takes, and has where no packed layer lies.

    Between packed layers everything is float32: norms, sums, stems and heads. A net without any
    (convolutions) has the bits of the precision throughout, and those of `auto` in place of int8.
    """
    packed = None if compiled else _packed(precision, device)
    if packed is not None and any(isinstance(part, Linear | packed) for part in encoder.modules()):
        return torch.float32
    return DTYPES[_fastest(device) if precision == "int8" else precision]


def expect_compilable(precision: str) -> None:
    """Raises ParameterError for what torch.compile cannot see through."""
    if precision == "int8":
        raise ParameterError(
            "int8 layers cannot be compiled; accepted are fp32, bf16 and fp16, or no compile"
        )


def _fit_parts(
    whole: nn.Module, path: str, packed: Packed | None, fill: Fill, cast: Callable[[nn.Module], object]
) -> None:
    """`fit` of what lies in `whole`, in place; nothing holds a part that has been replaced."""
    for name in [name for name, _ in whole.named_children()]:
        part, place = whole.get_submodule(name), f"{path}.{name}" if path else name
        fill(place, part)
        if packed is not None and isinstance(part, Linear):
            setattr(whole, name, packed(part))
            continue
        _fit_parts(part, place, packed, fill, cast)
        if packed is not None and isinstance(part, Stack) and not isinstance(whole, SideBySide):
            setattr(whole, name, SideBySide(part, packed.together))
        elif not list(part.children()):
            cast(part)


def fit(
    encoder: nn.Module,
    precision: str,
    device: str = "cpu",
    *,
    compiled: bool = False,
    fill: Fill = lambda _path, _part: None,
) -> torch.dtype:
    """Replace and cast an encoder's layers for `precision` and move them to `device`, for inference.

    Layer by layer, so that never more than one of them is there twice. A second call changes nothing.
    `compiled`: torch.compile makes its own layers at the first call, in place of the packed ones.
    `fill` may give a part its weights right before its turn: path and part, whose own tensors alone it sets.
    Gives what the encoder takes from now on (`dtype_of`).
    """
    packed = None if compiled else _packed(precision, device)
    dtype = dtype_of(encoder, precision, device, compiled=compiled)
    fill("", encoder)
    _fit_parts(encoder, "", packed, fill, partial(nn.Module.to, device=device, dtype=dtype))
    encoder.to(device, dtype).eval().requires_grad_(False)
    if compiled:
        encoder.compile(dynamic=True)
    elif torch.device(device).type == "cpu":
        pack_convolutions(encoder)
        if not any(isinstance(part, Int8Linear) for part in encoder.modules()):  # which look at their numbers
            record(encoder, dtype)
    return dtype
