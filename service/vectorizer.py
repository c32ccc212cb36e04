"""Parts -> unit vectors: decode and prepare in threads, encode through the batcher, blend."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from threading import Event
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np

from models.embedder import Embedder, Views
from models.errors import MediaTooLargeError, ParameterError
from models.media.limits import Limits
from models.segments import Cutting, Prepared
from service.base64_media import ACCEPTED
from service.batch import Vector
from service.batcher import Batcher
from service.decoders import Decoders
from service.errors import LocatedError, UnusableValueError
from service.parts import Content, Fused, Media, Part, Ready, Remote, Stored, Text, Tokens, leaves
from service.preparation import Encodable, Preparation, modality_of
from service.readings import Reading, are_short, light, looks_light, read
from service.recordings import EmbeddedSegment, Room, Turn, group_of
from service.tracing import span

# A blend shorter than this share of its weights has no direction worth searching.
SHORTEST_BLEND = 1e-5
LARGEST_NUMBER = 1e38
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Embedded:
    """`vector`: float32 (dim,). `tokens`: how many tokens of text went in."""

    vector: Vector
    modality: str
    notes: tuple[str, ...] = ()
    tokens: int = 0


Lookup: TypeAlias = Callable[[str], Awaitable[Embedded]]


async def no_lookup(_: str) -> Embedded:
    raise ParameterError("`id` names a stored item, which only the query of a search can do")


def unit(vector: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """`vector` at length 1. Raises UnusableValueError where it has no direction."""
    norm = np.linalg.norm(vector)
    if not np.isfinite(norm) or norm == 0:
        raise UnusableValueError(
            "the vector is zero or not finite, so it has no direction", code="invalid_vector"
        )
    return vector / norm


def is_plain_text(part: Part) -> bool:
    return part.weight == 1.0 and isinstance(part.content, Text | Tokens)


async def all_or_nothing(calls: Sequence[Coroutine[Any, Any, Embedded]]) -> list[Embedded]:
    """The results in order; where one fails, the others are cancelled and its error is raised."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()


class Vectorizer:
    """`in_flight`: most items of a modality that are held decoded at the same time.

    `decode_in_lanes`: whether the processors have no threads beside those of the encoder's lanes.
    """

    def __init__(  # noqa: PLR0913 - each with a name at its only call
        self,
        embedder: Embedder,
        batcher: Batcher,
        decoders: Decoders,
        limits: Limits,
        in_flight: int,
        *,
        decode_in_lanes: bool = False,
    ) -> None:
        self.embedder = embedder
        self.batcher = batcher
        self.decoders = decoders
        self.limits = limits
        self.preparation = Preparation(embedder, batcher.metrics, batcher.pace)
        self.decode_in_lanes = decode_in_lanes
        # One each: a sentence does not stand behind a collection's worth of pictures.
        self._in_flight = defaultdict[str, asyncio.Semaphore](lambda: asyncio.Semaphore(in_flight))
        self._recordings = Room()

    def admission(self, parts: Iterable[Part]) -> AbstractContextManager[None]:
        """Room in the queues for all of `parts`. Raises OverloadedError."""
        contents = (leaf.content for part in parts for leaf in leaves(part))
        return self.batcher.admission(
            Counter(modality_of(each) for each in contents if isinstance(each, Encodable))
        )

    async def embed_all(self, parts: Sequence[Part], *, normalize: bool = True) -> list[Embedded]:
        """One vector per part, or the LocatedError of one that fails."""
        with self.admission(parts):
            if parts and all(is_plain_text(part) for part in parts):
                return await self._embed_texts(parts, normalize=normalize)
            return await all_or_nothing([self.embed(part, normalize=normalize) for part in parts])

    async def embed(self, part: Part, *, normalize: bool = True, lookup: Lookup = no_lookup) -> Embedded:
        """The vector of one part, times the sign of its weight; its room must have been admitted.

        Raises LocatedError with the place of the part, or of the part within it, that cannot be used.
        """
        try:
            if part.weight != 1.0:
                return await self._blend((part,), lookup, normalize=normalize)
            if is_plain_text(part):
                return (await self._embed_texts((part,), normalize=normalize))[0]
            return await self._embed(part.content, lookup, normalize=normalize)
        except LocatedError:
            raise
        except Exception as error:
            raise LocatedError(error, part.where) from error

    async def embed_item(self, part: Part, cutting: Cutting) -> tuple[Embedded, list[EmbeddedSegment]]:
        """What `embed` gives, and where the part is a long recording its segments. Raises LocatedError."""
        content = part.content
        if part.weight != 1.0 or not isinstance(content, Media) or content.modality == "text":
            return await self.embed(part), []
        try:
            return await self._encode_recording(content, cutting)
        except Exception as error:
            raise LocatedError(error, part.where) from error

    async def _embed_texts(self, parts: Sequence[Part], *, normalize: bool) -> list[Embedded]:
        """What `embed` gives for each; together, as a thread and a task for each cost more than a text."""
        try:
            self.embedder.tower("text")
            items = await self._readable(parts)
            outcomes = await self._encoded("text", items, normalize=normalize)
        except LocatedError:
            raise
        except Exception as error:
            raise LocatedError(error, parts[0].where) from error
        for part, outcome in zip(parts, outcomes, strict=True):
            if isinstance(outcome, Exception):
                raise LocatedError(outcome, part.where) from outcome
        return [
            Embedded(cast("Vector", vector), "text", views.notes, views.tokens)
            for vector, views in zip(outcomes, map(read, items), strict=True)
        ]

    async def _encoded(
        self, modality: str, items: Sequence[Views | Reading], *, normalize: bool
    ) -> list[Vector | BaseException]:
        try:
            return await self.batcher.submit_all(modality, items, normalize=normalize)
        except asyncio.CancelledError:
            for each in items:
                if isinstance(each, Reading):
                    each.wanted = False
            raise

    async def _readable(self, texts: Sequence[Part]) -> Sequence[Views | Reading]:
        """Those that the encoder's threads tokenize by the way; long ones prepared. Raises LocatedError."""
        if self.batcher.lanes > 1 and are_short(texts):
            contents = (cast("Text | Tokens", part.content) for part in texts)
            return [
                Reading("text", partial(self.preparation.by_the_way, each, self.limits)) for each in contents
            ]
        return await self._prepared(texts)

    async def _prepared(self, texts: Sequence[Part]) -> list[Views]:
        """Raises LocatedError. Those whose turn has not come when the caller leaves are left."""
        left = Event()
        loop = asyncio.get_running_loop()
        run = copy_context().run
        try:
            return await loop.run_in_executor(self.decoders.texts, run, self._prepare_each, texts, left)
        finally:
            left.set()

    async def _embed(self, content: Content, lookup: Lookup, *, normalize: bool) -> Embedded:
        if isinstance(content, Fused):
            return await self._blend(content.parts, lookup, normalize=normalize)
        if isinstance(content, Ready):
            return Embedded(self._ready(content, normalize=normalize), content.modality)
        if isinstance(content, Stored):
            return await lookup(content.id)
        if isinstance(content, Remote):
            message = f"addresses are not fetched here; {ACCEPTED}"
            raise UnusableValueError(message, code="fetching_not_enabled")
        return await self._encode(content, normalize=normalize)

    async def _encode(self, content: Encodable, *, normalize: bool) -> Embedded:
        modality = modality_of(content)
        self.embedder.tower(modality)
        if self.decode_in_lanes and looks_light(content):
            with suppress(MediaTooLargeError):
                return await self._encode_light(content, normalize=normalize)
        threads = self.decoders.texts if modality == "text" else self.decoders.media
        async with self._in_flight[modality]:
            loop = asyncio.get_running_loop()
            run = copy_context().run
            with span("decode", modality=modality):
                work = self.preparation.views
                views = await loop.run_in_executor(threads, run, work, content, self.limits)
            vector = await self.batcher.submit(modality, views, normalize=normalize)
        return Embedded(vector, modality, tuple(views.notes), views.tokens)

    async def _encode_light(self, content: Encodable, *, normalize: bool) -> Embedded:
        """Raises MediaTooLargeError where it is not as light as it looked."""
        modality = modality_of(content)
        prepare = partial(self.preparation.by_the_way, content, light(self.limits))
        reading = Reading(modality, prepare, self.batcher.pace.views(modality))
        [outcome] = await self._encoded(modality, [reading], normalize=normalize)
        if isinstance(outcome, BaseException):
            raise outcome
        views = read(reading)
        return Embedded(outcome, modality, tuple(views.notes), views.tokens)

    async def _encode_recording(
        self, content: Media, cutting: Cutting
    ) -> tuple[Embedded, list[EmbeddedSegment]]:
        """Where there is no room for the segments, the file is decoded again when there is."""
        modality, turn = content.modality, Turn(self._recordings)
        self.embedder.tower(modality)
        try:
            async with self._in_flight[modality]:
                with span("decode", modality=modality):
                    views, spans, segments = await self._in_decoder(
                        self.preparation.recording, content, self.limits, cutting, turn
                    )
                vector = await self.batcher.submit(modality, views)
            whole = Embedded(vector, modality, tuple(views.notes), views.tokens)
            if not spans:
                return whole, []
            if segments is None:
                await turn.wait()
                segments = await self._in_decoder(self.preparation.segments, content, self.limits, spans)
            return whole, await self._encode_segments(modality, segments)
        finally:
            turn.leave()

    async def _encode_segments(self, modality: str, segments: Iterable[Prepared]) -> list[EmbeddedSegment]:
        """A batch of them at a time: those of an hour neither fill the queue nor go before everybody."""
        made: list[EmbeddedSegment] = []
        most, rest, are_there = self.batcher.pace.batch_views, iter(segments), isinstance(segments, list)
        while group := group_of(rest, most) if are_there else await self._in_decoder(group_of, rest, most):
            outcomes = await self.batcher.submit_all(modality, [each.views for each in group])
            for each, outcome in zip(group, outcomes, strict=True):
                if isinstance(outcome, BaseException):
                    raise outcome
                made.append(EmbeddedSegment(each.span, outcome))
        return made

    async def _in_decoder(self, work: Callable[..., T], *words: Any) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.decoders.media, copy_context().run, work, *words)

    def _prepare_each(self, texts: Sequence[Part], left: Event) -> list[Views]:
        items: list[Views] = []
        for part in texts:
            if left.is_set():
                break
            try:
                with span("decode", modality="text"):
                    items.append(self.preparation.views(cast("Text | Tokens", part.content), self.limits))
            except Exception as error:
                raise LocatedError(error, part.where) from error
        return items

    def _ready(self, content: Ready, *, normalize: bool) -> Vector:
        if len(content.vector) != self.embedder.dim:
            raise UnusableValueError(
                f"the vector has {len(content.vector)} numbers; {self.embedder.name} has {self.embedder.dim}",
                code="wrong_dimension",
            )
        vector = np.asarray(content.vector, np.float64)
        if np.abs(vector).max() > LARGEST_NUMBER:
            raise UnusableValueError(
                f"the vector has numbers beyond {LARGEST_NUMBER:.0e}; float32 holds no more",
                code="invalid_vector",
            )
        return (unit(vector) if normalize else vector).astype(np.float32)

    async def _blend(self, parts: Sequence[Part], lookup: Lookup, *, normalize: bool) -> Embedded:
        """Weighted sum of the parts' unit vectors; its modality is that of the heaviest part."""
        each = await all_or_nothing([self._unweighted(part, lookup) for part in parts])
        weights = np.array([part.weight for part in parts])
        total = weights @ np.stack([embedded.vector for embedded in each]).astype(np.float64)
        if np.linalg.norm(total) <= SHORTEST_BLEND * np.abs(weights).sum():
            raise UnusableValueError("the weighted parts cancel out, which leaves no direction to look in")
        notes = tuple(
            f"{part.where}: {note}" for part, one in zip(parts, each, strict=True) for note in one.notes
        )
        vector = (unit(total) if normalize else total).astype(np.float32)
        heaviest = each[int(weights.argmax())].modality
        return Embedded(vector, heaviest, notes, sum(embedded.tokens for embedded in each))

    async def _unweighted(self, part: Part, lookup: Lookup) -> Embedded:
        return await self.embed(Part(part.content, part.where), lookup=lookup)
