"""Short texts, which the encoder's threads tokenize by the way: to wake another thread takes longer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter

from models.embedder import Views
from service.parts import Content, Part, Text, Tokens
from service.tracing import record

# Characters, or token ids, of all texts of a request.
SHORT = 2_000


class Reading:
    """A text that is prepared when it is called for; `wanted`: whether its caller is still there."""

    def __init__(self, prepare: Callable[[Text | Tokens], Views], content: Text | Tokens) -> None:
        self._prepare = prepare
        self._content = content
        self.views: Views | None = None
        self.wanted = True

    def __call__(self) -> Views:
        if not self.wanted:
            raise RuntimeError("the caller has left")
        began = perf_counter()
        self.views = self._prepare(self._content)
        self.span = began, perf_counter()
        return self.views


def read(item: Views | Reading) -> Views:
    """The views of an item that has been encoded; of a reading the trace is told only now."""
    if isinstance(item, Views):
        return item
    assert item.views is not None
    record("decode", *item.span, modality="text")
    return item.views


def length_of(content: Content) -> int:
    if isinstance(content, Text):
        return len(content.text)
    return len(content.ids) if isinstance(content, Tokens) else SHORT + 1


def are_short(parts: Sequence[Part]) -> bool:
    return sum(length_of(part.content) for part in parts) <= SHORT
