"""Work that must not keep the process alive, such as a long download when Ctrl-C comes."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
NAME = "daemon:"
"""What the names of such threads begin with."""


async def in_daemon_thread(call: Callable[[], T]) -> T:
    """The result of `call`, run in a thread that the interpreter does not wait for at its end."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(setter: Callable[[Any], None], value: object) -> None:
        if not future.done():
            setter(value)

    def work() -> None:
        try:
            outcome: tuple[Callable[[Any], None], object] = (future.set_result, call())
        except Exception as error:  # noqa: BLE001 - whoever awaits gets it, whatever it is
            outcome = (future.set_exception, error)
        with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
            loop.call_soon_threadsafe(settle, *outcome)

    threading.Thread(target=work, daemon=True, name=f"{NAME}{call.__name__}").start()
    return await future
