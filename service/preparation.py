"""Contents -> views, in whichever thread it is called: decoded, charged, prepared, and measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from models.embedder import Embedder, Views
from models.media.limits import Limits
from models.samples import TextSample
from models.segments import Cutting, Prepared, Span, prepared, spans_of
from service.access.metering import charge
from service.metrics import Metrics
from service.pace import Pace
from service.parts import Media, Text, Tokens
from service.recordings import Turn

Encodable: TypeAlias = Text | Tokens | Media


def modality_of(content: Encodable) -> str:
    return content.modality if isinstance(content, Media) else "text"


class Preparation:
    """What an embedder's towers take. Its methods raise MediaError and MediaTooLargeError."""

    def __init__(self, embedder: Embedder, metrics: Metrics, pace: Pace) -> None:
        self.embedder = embedder
        self.metrics = metrics
        self.pace = pace

    def by_the_way(self, content: Encodable, limits: Limits) -> Views:
        """The views of a content, in an encoder's thread: its time counts as encoding."""
        modality = modality_of(content)
        with self.metrics.decoding(modality):
            sample = self._sample(content, limits)
            charge(sample)
            return self.embedder.prepare(modality, sample)

    def views(self, content: Encodable, limits: Limits) -> Views:
        """The same in a thread for decoding."""
        with self.pace.decoding(modality_of(content)):
            return self.by_the_way(content, limits)

    def recording(
        self, content: Media, limits: Limits, cutting: Cutting, turn: Turn
    ) -> tuple[Views, Sequence[Span], Iterable[Prepared] | None]:
        """The views of the whole, where its segments lie, and they; None where they have to wait."""
        modality = content.modality
        with self.metrics.decoding(modality), self.pace.decoding(modality):
            sample = self._sample(content, limits)
            charge(sample)
            views = self.embedder.prepare(modality, sample)
            spans = spans_of(sample, cutting)
            if not spans or not turn.enter():
                return views, spans, None
            return views, spans, prepared(self.embedder.tower(modality).prepare, sample, spans)

    def segments(self, content: Media, limits: Limits, spans: Sequence[Span]) -> Iterable[Prepared]:
        tower = self.embedder.tower(content.modality)
        return prepared(tower.prepare, self._sample(content, limits), spans)

    def _sample(self, content: Encodable, limits: Limits) -> Any:
        if isinstance(content, Tokens):
            return TextSample(tokens=content.ids)
        if isinstance(content, Text):
            return self.embedder.decode("text", content.text.encode(), limits=limits)
        return self.embedder.decode(content.modality, content.data, limits=limits, **content.params)
