"""The same client for asyncio."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from types import TracebackType
from typing import Any, Self, TypeVar, overload

import httpx

from sensorium_client import calls
from sensorium_client.bulk import Addable, Batch, Batching, Gathering, alone, batches, in_order
from sensorium_client.calls import C, Call, EmbeddingOptions, Query, Several, Templates
from sensorium_client.client import (
    DEFAULT_URL,
    EMBEDDED_TOGETHER,
    ONCE,
    PAGE,
    READY_EVERY_S,
    address_of,
    headers_of,
    joined,
)
from sensorium_client.content import Content, Part
from sensorium_client.errors import (
    AnswerError,
    SensoriumError,
    TooLargeError,
    counted_from,
    may_be_halved,
)
from sensorium_client.results import Added, Classified, CollectionInfo, Embeddings, Float32, Hit, Item
from sensorium_client.retries import Retries, request_words, result_of

T = TypeVar("T")


class AsyncClient:
    """As `Client`, with `await`."""

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        api_key: str | None = None,
        timeout: float = 60.0,
        retries: Retries | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.retries = retries or Retries()
        self._http = httpx.AsyncClient(
            base_url=address_of(url), headers=headers_of(api_key), timeout=timeout, transport=transport
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Give the connections back."""
        await self._http.aclose()

    async def run(self, call: Call[T], *, retries: Retries | None = None) -> T:
        """Carry out one call, with its `retries` (the client's)."""
        retries = retries or self.retries
        attempt, began = 0, time.monotonic()
        while True:
            attempt += 1
            try:
                response = await self._http.request(**request_words(call))
            except httpx.RequestError as error:
                wait = retries.after_loss(attempt, error)
            else:
                again = retries.after_answer(attempt, response, time.monotonic() - began)
                if again is None:
                    return result_of(call, response)
                wait = again
            await asyncio.sleep(wait)

    async def embeddings(
        self,
        contents: Query,
        *,
        dimensions: int | None = None,
        normalize: bool = True,
        model: str | None = None,
        together: int = EMBEDDED_TOGETHER,
    ) -> Embeddings:
        """Vectors with modalities and notes; at most `together` inputs, and about 8 MB, in one request."""
        options = EmbeddingOptions(model, dimensions, normalize)
        chunks, each = calls.together(contents, together), []
        while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
            each += await self._embedded(*chunk, options)
        return joined(each)

    async def _embedded(self, first: int, parts: list[Part], options: EmbeddingOptions) -> list[Embeddings]:
        try:
            return [await self.run(calls.embeddings(parts, options))]
        except AnswerError as error:
            if len(parts) == 1 or not may_be_halved(error):
                raise counted_from(first, error) from error
        middle = len(parts) // 2
        return [
            *await self._embedded(first, parts[:middle], options),
            *await self._embedded(first + middle, parts[middle:], options),
        ]

    async def embed(self, contents: Query, **options: Any) -> Float32:
        """Float32 (dim,) of one content, (n, dim) of a list; options as for `embeddings`."""
        vectors = (await self.embeddings(contents, **options)).vectors
        return vectors if isinstance(contents, list | tuple) else vectors[0]

    @overload
    async def classify(
        self,
        contents: Several,
        labels: Sequence[str] | None = ...,
        *,
        label_set: str | None = ...,
        templates: Any = ...,
        top_k: int = ...,
    ) -> list[Classified]: ...
    @overload
    async def classify(
        self,
        contents: list[C],
        labels: Sequence[str] | None = ...,
        *,
        label_set: str | None = ...,
        templates: Any = ...,
        top_k: int = ...,
    ) -> list[Classified]: ...
    @overload
    async def classify(
        self,
        contents: Content,
        labels: Sequence[str] | None = ...,
        *,
        label_set: str | None = ...,
        templates: Any = ...,
        top_k: int = ...,
    ) -> Classified: ...
    async def classify(
        self,
        contents: Content | Several | list[C],
        labels: Sequence[str] | None = None,
        *,
        label_set: str | None = None,
        templates: Templates = None,
        top_k: int = 5,
    ) -> Classified | list[Classified]:
        """Those of `labels`, or of the stored `label_set`, that fit best.

        `templates` as for the server, `["a photo of a {}."]` or a name.
        """
        parts, one = await asyncio.to_thread(calls.several, contents)
        found = await self.run(calls.classify(parts, labels, label_set, templates, top_k))
        return found[0] if one else found

    async def keep_labels(self, name: str, labels: Sequence[str], templates: Templates = None) -> None:
        """Store a label set for `classify`; the same name again replaces it."""
        await self.run(calls.keep_labels(name, labels, templates))

    async def label_sets(self) -> list[dict[str, Any]]:
        """The stored label sets: name, count, templates, created_at."""
        return await self.run(calls.label_sets())

    async def drop_labels(self, name: str) -> None:
        """Delete a label set. Raises NotFoundError."""
        await self.run(calls.drop_labels(name))

    async def similarity(self, a: Query, b: Query) -> Float32:
        """Float32 (len(a), len(b)) cosines."""
        return await self.run(await asyncio.to_thread(calls.similarity, a, b))

    async def models(self) -> list[dict[str, Any]]:
        """The models that the server knows."""
        return await self.run(calls.models())

    async def wait_until_ready(self, timeout: float = 60.0) -> dict[str, Any]:  # noqa: ASYNC109 - as Client's
        """What /readyz says once it is ready. Raises the last error after `timeout` seconds."""
        give_up = time.monotonic() + timeout
        while True:
            try:
                return await self.run(calls.ready(), retries=ONCE)
            except SensoriumError:
                left = give_up - time.monotonic()
                if left <= 0:
                    raise
            await asyncio.sleep(min(READY_EVERY_S, left))

    async def collections(self) -> list[CollectionInfo]:
        """All collections."""
        return await self.run(calls.collections())

    async def create(
        self, name: str, *, recall: float | None = None, media: str | None = None
    ) -> AsyncCollection:
        """A collection, made unless it is there. `media` "none": originals are not kept."""
        await self.run(calls.create(name, recall, media))
        return AsyncCollection(self, name)

    def collection(self, name: str) -> AsyncCollection:
        """A collection that is there; nothing is asked yet."""
        return AsyncCollection(self, name)


async def batched(
    items: Iterable[Addable] | AsyncIterable[Addable], there: AbstractSet[str], limits: Batching
) -> AsyncIterator[Batch]:
    """`batches`, of a stream of either kind; files are read beside the event loop."""
    if isinstance(items, AsyncIterable):
        gathering = Gathering(there, limits)
        async for item in items:
            for batch in await asyncio.to_thread(gathering.taken, item):
                yield batch
        for batch in gathering.rest():
            yield batch
    else:
        stream = batches(items, there, limits)
        while (full := await asyncio.to_thread(next, stream, None)) is not None:
            yield full


class AsyncCollection:
    """As `Collection`, with `await`."""

    def __init__(self, client: AsyncClient, name: str) -> None:
        self.client = client
        self.name = name

    async def info(self) -> CollectionInfo:
        """What it is and holds."""
        return await self.client.run(calls.info(self.name))

    async def drop(self) -> None:
        """Delete it with everything in it."""
        await self.client.run(calls.drop(self.name))

    async def search(self, query: Query, *, limit: int = 10, **options: Any) -> list[Hit]:
        """The nearest items; options as for `Collection.search`."""
        call = await asyncio.to_thread(calls.search, self.name, query, {"limit": limit, **options})
        return await self.client.run(call)

    async def add(
        self,
        items: Iterable[Addable] | AsyncIterable[Addable],
        *,
        batching: Batching | None = None,
        resume: bool = False,
    ) -> AsyncIterator[Added]:
        """Store a stream of items; their results come in order while it goes on. See `Collection.add`."""
        limits = batching or Batching()
        retries = self.client.retries.patient(limits.patience_s)
        there = {identifier async for identifier in self.ids()} if resume else set()
        pending: deque[asyncio.Task[list[Added]]] = deque()
        try:
            async for batch in batched(items, there, limits):
                pending.append(asyncio.create_task(self._send(batch, retries)))
                if len(pending) >= limits.concurrency:
                    for each in await pending.popleft():
                        yield each
            while pending:
                for each in await pending.popleft():
                    yield each
        finally:
            for task in pending:
                task.cancel()

    async def add_all(
        self,
        items: Iterable[Addable] | AsyncIterable[Addable],
        *,
        batching: Batching | None = None,
        resume: bool = False,
    ) -> list[Added]:
        """`add`, to its end."""
        return [each async for each in self.add(items, batching=batching, resume=resume)]

    async def _send(self, batch: Batch, retries: Retries) -> list[Added]:
        if not batch.bodies:
            return list(batch.settled)
        try:
            return in_order(batch, await self.client.run(calls.add(self.name, batch.bodies), retries=retries))
        except TooLargeError as error:
            if len(batch.bodies) == 1:
                return alone(batch, error)
            first, second = batch.halves()
            both = [*await self._send(first, retries), *await self._send(second, retries)]
            return sorted(both, key=lambda each: each.position)

    async def items(self, *, modality: str | None = None, with_vector: bool = False) -> AsyncIterator[Item]:
        """All items in the order they were first stored."""
        cursor = None
        while True:
            page = calls.page(self.name, PAGE, cursor, modality, with_vector=with_vector)
            found, cursor = await self.client.run(page)
            for item in found:
                yield item
            if cursor is None:
                return

    async def ids(self) -> AsyncIterator[str]:
        """The ids of all items."""
        async for item in self.items():
            yield item.id

    async def get(self, identifier: str, *, with_vector: bool = False) -> Item:
        """One item. Raises NotFoundError."""
        return await self.client.run(calls.item(self.name, identifier, with_vector=with_vector))

    async def media(self, identifier: str) -> bytes:
        """The original file of an item."""
        return await self.client.run(calls.media(self.name, identifier))

    async def delete(
        self,
        ids: Sequence[str] | str | None = None,
        *,
        filter: Mapping[str, Any] | None = None,  # noqa: A002 - the API's word
    ) -> int:
        """Delete by ids (or one) or by filter; says how many were there."""
        return await self.client.run(calls.delete(self.name, ids, filter))
