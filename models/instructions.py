"""Instruction sets of this processor: products of few bits, one by one or in tiles, and vectors of any."""

from __future__ import annotations

import torch

VECTORS = ("avx2",)
NATIVE_BF16 = ("avx512_bf16", "amx_bf16")
TILES = ("amx_bf16",)
NATIVE_INT8 = ("avx512_vnni", "avx_vnni", "amx_int8")


def processor_has(*names: str) -> bool:
    """Whether the processor has any of these instruction sets, and torch the library that uses them."""
    able = torch.cpu.get_capabilities()
    return torch._C._has_mkldnn and any(able.get(name) for name in names)  # noqa: SLF001 - untyped elsewhere
