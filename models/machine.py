"""What the machine offers the encoders."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from pathlib import Path

import torch

CPUINFO = Path("/proc/cpuinfo")
# Instructions that multiply bf16 by themselves: AVX512-BF16, AMX, and ARM's.
BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16", "avx_ne_convert"})
# Each lane has a batch in memory.
MOST_LANES = 4
# Of a third of the weight of others in Linux' scheduler.
NICENESS_STEP, NICEST = 5, 19


def compute_threads() -> int:
    """Threads that an encoder uses."""
    return torch.get_num_threads()


def use_threads(count: int) -> None:
    """Let what the calling thread computes from now on take `count` threads."""
    if torch.get_num_threads() != count:
        torch.set_num_threads(count)


def lower_priority() -> None:
    """Let other threads go before the calling one, and those that it begins, where processors are few.

    On Linux, where each thread has a priority of its own ("nice").
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        with suppress(OSError):  # some sandboxes forbid it
            before = os.getpriority(os.PRIO_PROCESS, thread)
            os.setpriority(os.PRIO_PROCESS, thread, min(NICEST, before + NICENESS_STEP))


def encode_lanes(device: str, threads: int) -> int:
    """How many batches to encode side by side: 1 on a GPU, on a CPU one for each thread, up to MOST_LANES.

    Threads that share a batch wait for each other after every product; those with a batch each do not. With
    the small model two threads encode a fifth more items in two batches than in one.
    """
    return min(threads, MOST_LANES) if device == "cpu" else 1


def has_bf16(cpuinfo: Path = CPUINFO) -> bool | None:
    """Whether the processor multiplies bf16 by itself, None where the system does not tell."""
    if not cpuinfo.exists():
        return None
    words = cpuinfo.read_text(encoding="utf-8", errors="replace").split()
    return not BF16_FLAGS.isdisjoint(words)


def device_fault(device: str) -> str | None:
    """Why the encoders cannot run there, None where they can."""
    kind, _, number = device.partition(":")
    if kind == "cpu":
        return None
    if kind != "cuda":
        return f"the device {device!r} is not known; accepted are cpu, cuda and cuda:NUMBER"
    if not torch.cuda.is_available():
        return (
            "torch finds no CUDA device: install its CUDA wheels and the driver, or take SENSORIUM_DEVICE=cpu"
        )
    count = torch.cuda.device_count()
    if number and (not number.isdecimal() or int(number) >= count):
        return f"there is no {device}; this machine has cuda:0 to cuda:{count - 1}"
    return None
