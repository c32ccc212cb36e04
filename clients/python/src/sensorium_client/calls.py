"""Every call as a value: what is sent, and how its answer is read. Both clients only carry them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from sensorium_client import results
from sensorium_client.content import Content, Part, part_of

T = TypeVar("T")
Query = Content | Sequence[Content]
Templates = str | Sequence[str] | None


@dataclass(frozen=True)
class Call(Generic[T]):
    """`read`: from the answer's JSON (or its bytes where `raw`) to the result.

    `accepted`: further statuses whose body is a result.
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


def collection_path(name: str, rest: str = "") -> str:
    return f"/v1/collections/{quote(name, safe='')}{rest}"


def item_path(name: str, identifier: str, rest: str = "") -> str:
    return collection_path(name, f"/items/{quote(identifier, safe='')}{rest}")


def embeddings(
    parts: Sequence[Part], model: str | None, dimensions: int | None, *, normalize: bool
) -> Call[results.Embeddings]:
    options = given(model=model, dimensions=dimensions, normalize=None if normalize else False)
    body = {"input": list(parts), "encoding_format": "base64", **options}
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
    return f"/v1/label-sets/{quote(name, safe='')}"


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


def add(name: str, items: Sequence[Mapping[str, Any]]) -> Call[list[results.Added]]:
    """422 with results says that none of the items could be stored."""
    return Call(
        "POST",
        collection_path(name, "/items"),
        results.added_of,
        {"items": list(items)},
        accepted=(422,),
    )


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
    body = given(ids=None if ids is None else list(ids), filter=condition)
    return Call("POST", collection_path(name, "/items/delete"), lambda answer: int(answer["deleted"]), body)
