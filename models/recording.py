"""Nets whose operations are recorded once and then follow each other without Python between them.

Python takes its lock after every operation, and a thread that encodes waits for it beside an event loop and
decoders: a batch of texts took twice as long in a busy server as alone. A recording (TorchScript) lets go of
the lock from the first operation to the last, and gives the same bits.
"""

from __future__ import annotations

import logging
import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import nn

log = logging.getLogger(__name__)

F = TypeVar("F", bound=Callable[..., object])
trace: Callable[..., nn.Module] = torch.jit.trace_module
script: Callable[..., Any] = torch.jit.script
RUNS = 2  # before a recording is as fast as it gets: the first is watched, the second made ready


class Recordable(nn.Module):
    """A net whose operations depend on nothing but the shapes of its input, those of scripts aside."""

    @abstractmethod
    def example(self, dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
        """What it takes, for two items; its numbers in `dtype`."""


@contextmanager
def torchscript() -> Iterator[None]:
    """Without the advice to take torch.compile instead, which needs a C++ compiler on every machine."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def recording() -> bool:
    """Whether what is done now is being recorded."""
    return torch._C._get_tracing_state() is not None  # noqa: SLF001 - untyped elsewhere


def scripted(function: F) -> F:
    """The function in TorchScript, which its body has to be."""
    with torchscript():
        made: F = script(function)
    return made


@torch.inference_mode()
def record(net: nn.Module, dtype: torch.dtype) -> None:
    """Put a recording in place of `forward` of a Recordable that is ready for inference on a CPU.

    Other nets, and those that this torch cannot record, are left as they are. A second call changes nothing.
    """
    if not isinstance(net, Recordable) or "forward" in vars(net):
        return
    example = net.example(dtype)
    try:
        with torchscript():
            made = trace(net, {"forward": example}, check_trace=False)
            quick = made.forward
            for _ in range(RUNS):
                quick(*example)
    except Exception as error:  # noqa: BLE001 - a net that is not recorded is merely slower
        log.warning("a net could not be recorded: %s", error)
        return
    net.forward = quick
