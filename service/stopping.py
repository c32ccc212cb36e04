"""SIGTERM and Ctrl-C before there is a server to drain: nothing is open, and the process ends at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType


def end_at_once(unless: Callable[[], bool] = lambda: False) -> None:
    """On these signals end with 0, `unless` it says otherwise.

    Libraries take seconds to load, and process 1 of a container would not end at all without a handler.
    """

    def handle(_number: int, _frame: FrameType | None) -> None:
        if not unless():
            os._exit(0)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handle)
