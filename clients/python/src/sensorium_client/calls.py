"""Every call as a value: what is sent, and how its answer is read. Both clients only carry them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from sensorium_client import results
from sensorium_client.content import Content, Part, part_of
from sensorium_client.errors import UnusableInputError

T = TypeVar("T")
C = TypeVar("C", bound=Content)
# A list of one kind of content is no list of any kind (PEP 484, invariance), so both are named.
Several = list[Content] | tuple[Content, ...]
Query = Content | Sequence[Content]
Templates = str | Sequence[str] | None

REQUEST_BYTES = 8_000_000


@dataclass(frozen=True)
class Call(Generic[T]):
    """`read`: from the answer's JSON (or its bytes where `raw`) to the result.

    `body`: bytes of JSON, or what is to become that. `accepted`: further statuses whose body is a result.
    """

    method: str
    path: str
    read: Callable[[Any], T]
    body: Any = None
    params: Mapping[str, Any] = field(default_factory=dict)
    raw: bool = False
    accepted: tuple[int, ...] = ()


def given(**values: Any) -> dict[str, Any]:
    """Those that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def several(contents: Query) -> tuple[list[Part], bool]:
    """The parts of one content or of several, and whether it was one."""
    if isinstance(contents, list | tuple):
        return [part_of(each) for each in contents], False
    return [part_of(contents)], True  # type: ignore[arg-type] # a sequence that is no list is one content


def size_of(part: Any) -> int:
    """About how many bytes it is in a request; a medium's base64 is most of them."""
    if isinstance(part, Mapping):
        return sum(map(size_of, part.values()))
    return sum(map(size_of, part)) if isinstance(part, list | tuple) else len(str(part))


def together(contents: Query, count: int) -> Iterator[tuple[int, list[Part]]]:
    """Parts for a request each, at most `count` and about `REQUEST_BYTES`, with the first one's position."""
    if count < 1:
        raise UnusableInputError(f"`together` is how many inputs go into a request, at least 1, not {count}")
    parts: list[Part] = []
    first = size = 0
    for position, content in enumerate(contents if isinstance(contents, list | tuple) else [contents]):
        part = part_of(content)
        added = size_of(part)
        if parts and (len(parts) == count or size + added > REQUEST_BYTES):
            yield first, parts
            parts, first, size = [], position, 0
        parts.append(part)
        size += added
    if parts:
        yield first, parts


def step(name: str) -> str:
    """A name or an id as one step of a path. Raises UnusableInputError."""
    if not isinstance(name, str):
        raise UnusableInputError(f"names and ids are text, not {type(name).__name__}")
    try:
        return quote(name, safe="")
    except UnicodeEncodeError as error:
        raise UnusableInputError("a name or an id with half of a surrogate pair cannot be sent") from error


def collection_path(name: str, rest: str = "") -> str:
    return f"/v1/collections/{step(name)}{rest}"


def item_path(name: str, identifier: str, rest: str = "") -> str:
    return collection_path(name, f"/items/{step(identifier)}{rest}")


@dataclass(frozen=True)
class EmbeddingOptions:
    """As in the request."""

    model: str | None
    dimensions: int | None
    normalize: bool


def embeddings(parts: Sequence[Part], options: EmbeddingOptions) -> Call[results.Embeddings]:
    normalize = None if options.normalize else False
    said = given(model=options.model, dimensions=options.dimensions, normalize=normalize)
    body = {"input": list(parts), "encoding_format": "base64", **said}
    return Call("POST", "/v1/embeddings", results.embeddings_of, body)


def listed(words: str | Sequence[str] | None) -> str | list[str] | None:
    """A name as it is, several words as a list."""
    return words if isinstance(words, str | None) else list(words)


def classify(
    parts: Sequence[Part],
    labels: Sequence[str] | None,
    label_set: str | None,
    templates: Templates,
    top_k: int,
) -> Call[list[results.Classified]]:
    options = given(labels=listed(labels), label_set=label_set, templates=listed(templates))
    body = {"input": list(parts), "top_k": top_k, **options}
    return Call("POST", "/v1/classify", results.classified_of, body)


def label_set_path(name: str) -> str:
    return f"/v1/label-sets/{step(name)}"


def keep_labels(name: str, labels: Sequence[str], templates: Templates) -> Call[dict[str, Any]]:
    body = {"labels": listed(labels), **given(templates=listed(templates))}
    return Call("PUT", label_set_path(name), dict, body)


def label_sets() -> Call[list[dict[str, Any]]]:
    return Call("GET", "/v1/label-sets", lambda answer: list(answer["data"]))


def drop_labels(name: str) -> Call[bool]:
    return Call("DELETE", label_set_path(name), lambda answer: bool(answer["deleted"]))


def similarity(a: Query, b: Query) -> Call[results.Float32]:
    body = {"a": several(a)[0], "b": several(b)[0]}
    return Call("POST", "/v1/similarity", lambda answer: results.vector_of(answer["scores"]), body)


def models() -> Call[list[dict[str, Any]]]:
    return Call("GET", "/v1/models", lambda answer: list(answer["data"]))


def ready() -> Call[dict[str, Any]]:
    return Call("GET", "/readyz", dict)


def collections() -> Call[list[results.CollectionInfo]]:
    return Call(
        "GET",
        "/v1/collections",
        lambda answer: [results.collection_info_of(each) for each in answer["data"]],
    )


def create(name: str, recall: float | None, media: str | None) -> Call[results.CollectionInfo]:
    body = given(recall=recall, media=media)
    return Call("PUT", collection_path(name), results.collection_info_of, body)


def info(name: str) -> Call[results.CollectionInfo]:
    return Call("GET", collection_path(name), results.collection_info_of)


def drop(name: str) -> Call[bool]:
    return Call("DELETE", collection_path(name), lambda answer: bool(answer["deleted"]))


def search(name: str, query: Query, options: Mapping[str, Any]) -> Call[list[results.Hit]]:
    parts, one = several(query)
    body = {"query": parts[0] if one else parts, **given(**options)}
    return Call("POST", collection_path(name, "/search"), results.hits_of, body)


def add(name: str, items: Sequence[bytes]) -> Call[list[results.Added]]:
    """Items as JSON; 422 with results says that none of them could be stored."""
    body = b'{"items":[' + b",".join(items) + b"]}"
    return Call("POST", collection_path(name, "/items"), results.added_of, body, accepted=(422,))


def page(
    name: str, limit: int, cursor: str | None, modality: str | None, *, with_vector: bool
) -> Call[tuple[list[results.Item], str | None]]:
    params = given(limit=limit, cursor=cursor, modality=modality, with_vector=with_vector or None)
    return Call(
        "GET",
        collection_path(name, "/items"),
        lambda answer: ([results.item_of(each) for each in answer["items"]], answer["next_cursor"]),
        params=params,
    )


def item(name: str, identifier: str, *, with_vector: bool) -> Call[results.Item]:
    params = {"with_vector": True} if with_vector else {}
    return Call("GET", item_path(name, identifier), results.item_of, params=params)


def media(name: str, identifier: str) -> Call[bytes]:
    return Call("GET", item_path(name, identifier, "/media"), bytes, raw=True)


def delete(name: str, ids: Sequence[str] | None, condition: Mapping[str, Any] | None) -> Call[int]:
    chosen = [ids] if isinstance(ids, str) else ids
    body = given(ids=None if chosen is None else list(chosen), filter=condition)
    return Call("POST", collection_path(name, "/items/delete"), lambda answer: int(answer["deleted"]), body)
