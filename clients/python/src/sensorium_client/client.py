"""The client, and its collections."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self, TypeVar, overload

import httpx
import numpy as np

from sensorium_client import calls
from sensorium_client.bulk import Addable, Batch, Batching, alone, batches, in_order
from sensorium_client.calls import C, Call, EmbeddingOptions, Query, Several, Templates
from sensorium_client.content import Content, Part
from sensorium_client.errors import (
    AnswerError,
    SensoriumError,
    TooLargeError,
    UnusableInputError,
    counted_from,
    may_be_halved,
)
from sensorium_client.results import Added, Classified, CollectionInfo, Embeddings, Float32, Hit, Item
from sensorium_client.retries import Retries, request_words, result_of

T = TypeVar("T")

DEFAULT_URL = "http://127.0.0.1:8000"
EMBEDDED_TOGETHER = 64
PAGE = 1000
READY_EVERY_S = 0.25
ONCE = Retries(attempts=1)


def headers_of(api_key: str | None) -> dict[str, str]:
    """Raises UnusableInputError for what no header can hold; an empty key is none."""
    if not (api_key or "").isascii() or not (api_key or "").isprintable():
        raise UnusableInputError("an API key is made of printable ASCII characters")
    return {"authorization": f"Bearer {api_key}"} if api_key else {}


def address_of(url: str) -> httpx.URL:
    """Raises UnusableInputError."""
    try:
        return httpx.URL(url)
    except (httpx.InvalidURL, TypeError) as error:
        raise UnusableInputError(f"{url!r} is no server's address, as {DEFAULT_URL} is: {error}") from error


def joined(each: Sequence[Embeddings]) -> Embeddings:
    """The answers of several batches as one. Raises UnusableInputError where there is none."""
    if not each:
        raise UnusableInputError("nothing to embed; give at least one content")
    return Embeddings(
        np.concatenate([one.vectors for one in each]),
        tuple(name for one in each for name in one.modalities),
        tuple(note for one in each for note in one.notes),
        sum(one.tokens for one in each),
        each[0].model,
    )


class Client:
    """A connection to a server. Safe to share between threads; close it, or use it in a `with`.

    `timeout`: seconds for one answer. `retries`: after 429, 503 and lost connections. `transport`: httpx's,
    for tests and proxies. Every call raises `SensoriumError` and its kinds.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        api_key: str | None = None,
        timeout: float = 60.0,
        retries: Retries | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.retries = retries or Retries()
        self._http = httpx.Client(
            base_url=address_of(url), headers=headers_of(api_key), timeout=timeout, transport=transport
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def run(self, call: Call[T], *, retries: Retries | None = None) -> T:
        """Carry out one call, with its `retries` (the client's)."""
        retries = retries or self.retries
        attempt, began = 0, time.monotonic()
        while True:
            attempt += 1
            try:
                response = self._http.request(**request_words(call))
            except httpx.RequestError as error:
                wait = retries.after_loss(attempt, error)
            else:
                again = retries.after_answer(attempt, response, time.monotonic() - began)
                if again is None:
                    return result_of(call, response)
                wait = again
            time.sleep(wait)

    def embeddings(
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
        return joined(
            [
                each
                for first, parts in calls.together(contents, together)
                for each in self._embedded(first, parts, options)
            ]
        )

    def _embedded(self, first: int, parts: list[Part], options: EmbeddingOptions) -> list[Embeddings]:
        try:
            return [self.run(calls.embeddings(parts, options))]
        except AnswerError as error:
            if len(parts) == 1 or not may_be_halved(error):
                raise counted_from(first, error) from error
        middle = len(parts) // 2
        return [
            *self._embedded(first, parts[:middle], options),
            *self._embedded(first + middle, parts[middle:], options),
        ]

    def embed(self, contents: Query, **options: Any) -> Float32:
        """Float32 (dim,) of one content, (n, dim) of a list; options as for `embeddings`."""
        vectors = self.embeddings(contents, **options).vectors
        return vectors if isinstance(contents, list | tuple) else vectors[0]

    @overload
    def classify(
        self,
        contents: Several,
        labels: Sequence[str] | None = ...,
        *,
        label_set: str | None = ...,
        templates: Any = ...,
        top_k: int = ...,
    ) -> list[Classified]: ...
    @overload
    def classify(
        self,
        contents: list[C],
        labels: Sequence[str] | None = ...,
        *,
        label_set: str | None = ...,
        templates: Any = ...,
        top_k: int = ...,
    ) -> list[Classified]: ...
    @overload
    def classify(
        self,
        contents: Content,
        labels: Sequence[str] | None = ...,
        *,
        label_set: str | None = ...,
        templates: Any = ...,
        top_k: int = ...,
    ) -> Classified: ...
    def classify(
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
        parts, one = calls.several(contents)
        found = self.run(calls.classify(parts, labels, label_set, templates, top_k))
        return found[0] if one else found

    def keep_labels(self, name: str, labels: Sequence[str], templates: Templates = None) -> None:
        """Store a label set for `classify`; the same name again replaces it."""
        self.run(calls.keep_labels(name, labels, templates))

    def label_sets(self) -> list[dict[str, Any]]:
        """The stored label sets: name, count, templates, created_at."""
        return self.run(calls.label_sets())

    def drop_labels(self, name: str) -> None:
        """Delete a label set. Raises NotFoundError."""
        self.run(calls.drop_labels(name))

    def similarity(self, a: Query, b: Query) -> Float32:
        """Float32 (len(a), len(b)) cosines."""
        return self.run(calls.similarity(a, b))

    def models(self) -> list[dict[str, Any]]:
        """The models that the server knows."""
        return self.run(calls.models())

    def wait_until_ready(self, timeout: float = 60.0) -> dict[str, Any]:
        """What /readyz says once it is ready. Raises the last error after `timeout` seconds."""
        give_up = time.monotonic() + timeout
        while True:
            try:
                return self.run(calls.ready(), retries=ONCE)
            except SensoriumError:
                left = give_up - time.monotonic()
                if left <= 0:
                    raise
            time.sleep(min(READY_EVERY_S, left))

    def collections(self) -> list[CollectionInfo]:
        """All collections."""
        return self.run(calls.collections())

    def create(self, name: str, *, recall: float | None = None, media: str | None = None) -> Collection:
        """A collection, made unless it is there. `media` "none": originals are not kept."""
        self.run(calls.create(name, recall, media))
        return Collection(self, name)

    def collection(self, name: str) -> Collection:
        """A collection that is there; nothing is asked yet."""
        return Collection(self, name)


class Collection:
    """Items of one model's space on the server."""

    def __init__(self, client: Client, name: str) -> None:
        self.client = client
        self.name = name

    def info(self) -> CollectionInfo:
        """What it is and holds."""
        return self.client.run(calls.info(self.name))

    def drop(self) -> None:
        """Delete it with everything in it."""
        self.client.run(calls.drop(self.name))

    def search(self, query: Query, *, limit: int = 10, **options: Any) -> list[Hit]:
        """The nearest items. A list as `query` is a blend; see `Weighted`, `Stored`, `Vector`.

        `options`: offset, modalities, filter, per_modality, score_threshold, group_by, diversity, fusion,
        calibrate, recall, with_vector, as in the server's documentation.
        """
        return self.client.run(calls.search(self.name, query, {"limit": limit, **options}))

    def add(
        self, items: Iterable[Addable], *, batching: Batching | None = None, resume: bool = False
    ) -> Iterator[Added]:
        """Store a stream of items; their results come in order while it goes on.

        Items are taken from the iterable only as they are sent, so it may be endless. `resume`: items whose
        id is in the collection are skipped. Nothing is sent unless the results are taken: loop over them, or
        use `add_all`. Raises where the server itself fails; what was yielded before is stored.
        """
        limits = batching or Batching()
        retries = self.client.retries.patient(limits.patience_s)
        there = set(self.ids()) if resume else set()
        pending: deque[Future[list[Added]]] = deque()
        with ThreadPoolExecutor(limits.concurrency, thread_name_prefix="sensorium-add") as threads:
            try:
                for batch in batches(items, there, limits):
                    pending.append(threads.submit(self._send, batch, retries))
                    if len(pending) >= limits.concurrency:
                        yield from pending.popleft().result()
                while pending:
                    yield from pending.popleft().result()
            finally:
                for each in pending:
                    each.cancel()

    def add_all(
        self, items: Iterable[Addable], *, batching: Batching | None = None, resume: bool = False
    ) -> list[Added]:
        """`add`, to its end."""
        return list(self.add(items, batching=batching, resume=resume))

    def _send(self, batch: Batch, retries: Retries) -> list[Added]:
        if not batch.bodies:
            return list(batch.settled)
        try:
            return in_order(batch, self.client.run(calls.add(self.name, batch.bodies), retries=retries))
        except TooLargeError as error:
            if len(batch.bodies) == 1:
                return alone(batch, error)
            first, second = batch.halves()
            both = [*self._send(first, retries), *self._send(second, retries)]
            return sorted(both, key=lambda each: each.position)

    def items(self, *, modality: str | None = None, with_vector: bool = False) -> Iterator[Item]:
        """All items in the order they were first stored."""
        cursor = None
        while True:
            page = calls.page(self.name, PAGE, cursor, modality, with_vector=with_vector)
            found, cursor = self.client.run(page)
            yield from found
            if cursor is None:
                return

    def ids(self) -> Iterator[str]:
        """The ids of all items."""
        return (item.id for item in self.items())

    def get(self, identifier: str, *, with_vector: bool = False) -> Item:
        """One item. Raises NotFoundError."""
        return self.client.run(calls.item(self.name, identifier, with_vector=with_vector))

    def media(self, identifier: str) -> bytes:
        """The original file of an item."""
        return self.client.run(calls.media(self.name, identifier))

    def delete(
        self,
        ids: Sequence[str] | str | None = None,
        *,
        filter: Mapping[str, Any] | None = None,  # noqa: A002 - the API's word
    ) -> int:
        """Delete by ids (or one) or by filter; says how many were there."""
        return self.client.run(calls.delete(self.name, ids, filter))
