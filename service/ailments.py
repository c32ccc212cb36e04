"""Encoders that fail with a known-good sample: left alone, and asked with it again from time to time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from service.errors import NotReadyError

log = logging.getLogger(__name__)

Probed: TypeAlias = Callable[[str], Awaitable[Exception | None]]

# Between two attempts with an encoder that fails; the pause doubles up to the longest.
FIRST_PROBE_S = 0.5
LONGEST_PROBE_S = 30.0


class Ailments:
    """`probed(modality)` gives what the encoder raises with a known-good sample. For the event loop alone."""

    def __init__(self, probed: Probed) -> None:
        self._probed = probed
        self._errors: dict[str, Exception] = {}
        self._recovery: asyncio.Task[None] | None = None

    def __contains__(self, modality: str) -> bool:
        return modality in self._errors

    def __bool__(self) -> bool:
        return bool(self._errors)

    def __str__(self) -> str:
        """All of them, without what their errors say."""
        reasons = (f"{name} ({type(error).__name__})" for name, error in self._errors.items())
        return (
            f"encoders that fail with every input: {', '.join(reasons)}; they are tried again by themselves"
        )

    def add(self, modality: str, error: Exception) -> None:
        log.critical("the %s encoder fails with a known-good sample", modality, exc_info=error)
        self._errors[modality] = error
        if self._recovery is None or self._recovery.done():
            self._recovery = asyncio.create_task(self._recover(), name="recovery")

    def refusal(self, modality: str) -> NotReadyError:
        """What the callers of an ailing encoder are told."""
        kind = type(self._errors[modality]).__name__
        message = f"the {modality} encoder fails with every input ({kind}); it is tried again regularly"
        return NotReadyError(message)

    async def close(self) -> None:
        """No encoder is tried again."""
        if self._recovery is not None:
            self._recovery.cancel()
            await asyncio.wait({self._recovery})

    async def _recover(self) -> None:
        pause = FIRST_PROBE_S
        while self._errors:
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PROBE_S)
            for modality in list(self._errors):
                if await self._probed(modality) is None:
                    del self._errors[modality]
                    log.warning("the %s encoder works again", modality)
