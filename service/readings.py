"""Light inputs, which the encoder's threads prepare by the way: to wake another thread takes longer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import copy_context
from dataclasses import replace
from time import perf_counter

from models.embedder import Views
from models.media.limits import Limits
from service.parts import Content, Media, Part, Text, Tokens
from service.tracing import record

# Characters, or token ids, of all texts of a request.
SHORT = 2_000
# Those of whose small files a busy server takes a tenth more this way (of pictures no more).
LIGHT_MODALITIES = frozenset({"audio"})
LIGHT_BYTES, LIGHT_S, LIGHT_SAMPLES = 200_000, 30.0, 4_000_000


class Reading:
    """An input that is prepared when it is called for; `wanted`: whether its caller is still there."""

    def __init__(self, modality: str, prepare: Callable[[], Views], expected: int = 1) -> None:
        self.modality = modality
        self.expected = expected
        self.views: Views | None = None
        self.wanted = True
        self._prepare = prepare
        self._run = copy_context().run

    def __call__(self) -> Views:
        if self.views is None:
            if not self.wanted:
                raise RuntimeError("the caller has left")
            began = perf_counter()
            self.views = self._run(self._prepare)
            self.expected = self.views.tensor.shape[0]
            self.span = began, perf_counter()
        return self.views


def read(item: Views | Reading) -> Views:
    """The views of an item that has been encoded; of a reading the trace is told only now."""
    if isinstance(item, Views):
        return item
    assert item.views is not None
    record("decode", *item.span, modality=item.modality)
    return item.views


def length_of(content: Content) -> int:
    if isinstance(content, Text):
        return len(content.text)
    return len(content.ids) if isinstance(content, Tokens) else SHORT + 1


def are_short(parts: Sequence[Part]) -> bool:
    return sum(length_of(part.content) for part in parts) <= SHORT


def looks_light(content: Content) -> bool:
    """Whether it is worth a try within `light` limits."""
    return (
        isinstance(content, Media)
        and content.modality in LIGHT_MODALITIES
        and len(content.data) <= LIGHT_BYTES
    )


def light(limits: Limits) -> Limits:
    """What few bytes may become in a thread for which everybody waits: an hour of silence is small, too."""
    return replace(limits, audio_s=min(limits.audio_s, LIGHT_S), samples=min(limits.samples, LIGHT_SAMPLES))
