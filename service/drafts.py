"""Items as they are asked for, each read by itself, so that one bad item never fails its neighbours."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from models.errors import ParameterError, UnsupportedMediaError
from models.modalities import MODALITIES, modality_of_file
from service.errors import LocatedError
from service.parts import Fused, Media, Part, Senses, leaves, parse_part, ready_of, too_many
from service.requests import File
from service.whole_numbers import check_metadata

ITEM_FIELDS = ("id", "content", "vector", "modality", "metadata")
ID_CHARACTERS = 32
FOLDED = re.compile(r"(^|/)\.\.?(/|$)")


@dataclass(frozen=True)
class Draft:
    """An item to store. `id` is its content's hash where the caller gave none; `file` is an upload's name."""

    part: Part
    where: str
    id: str
    given_id: bool
    metadata: Mapping[str, Any] = field(default_factory=dict)
    file: str | None = None


@dataclass(frozen=True)
class Refused:
    """An item that cannot be stored, and why; `id` where the caller gave one."""

    error: Exception
    id: str | None
    file: str | None = None


def part_of(value: Mapping[str, Any], where: str, senses: Senses) -> Part:
    """The item's content, or its ready vector as a part."""
    if ("content" in value) == ("vector" in value):
        raise LocatedError(
            ParameterError("an item has either `content` or `vector` (with `modality`)"), where
        )
    if "content" in value:
        if "modality" in value:
            raise LocatedError(ParameterError("`modality` goes with `vector` only"), f"{where}.modality")
        return parse_part(value["content"], f"{where}.content", senses=senses)
    try:
        return Part(ready_of(value["vector"], value.get("modality", "text"), senses), f"{where}.vector")
    except ParameterError as error:
        raise LocatedError(error, f"{where}.vector") from error


def fingerprint(part: Part) -> list[Any]:
    """What makes content itself; parameters as text, since `50` and `"50"` (of a form) mean the same."""
    content = part.content
    if isinstance(content, Fused):
        return [part.weight, "blend", [fingerprint(each) for each in content.parts]]
    if isinstance(content, Media):
        params = sorted((name, str(value)) for name, value in content.params.items())
        return [part.weight, content.modality, hashlib.sha256(content.data).hexdigest(), params]
    return [part.weight, type(content).__name__, vars(content)]


def content_id(part: Part) -> str:
    """A name for content, the same whenever the same content comes again."""
    return hashlib.sha256(orjson.dumps(fingerprint(part))).hexdigest()[:ID_CHARACTERS]


def check_addressable(identifier: str, where: str) -> None:
    """Refuse ids that clients fold: deleting `items/..` would ask for the whole collection."""
    if FOLDED.search(identifier):
        message = (
            f"the id {identifier!r} has `.` or `..` as a step, which HTTP clients fold away in addresses"
        )
        raise LocatedError(ParameterError(message, code="invalid_id"), where)


def draft_of(value: Any, where: str, senses: Senses) -> Draft:
    if not isinstance(value, dict):
        raise LocatedError(ParameterError("an item is an object with `content` or `vector`"), where)
    for name in value:
        if name not in ITEM_FIELDS:
            message = f"unknown field {name!r}; accepted: {', '.join(ITEM_FIELDS)}"
            raise LocatedError(ParameterError(message), f"{where}.{name}")
    part = part_of(value, where, senses)
    metadata, given = value.get("metadata"), value.get("id")
    if metadata is not None and not isinstance(metadata, dict):
        raise LocatedError(ParameterError("metadata has to be an object"), f"{where}.metadata")
    check_metadata(metadata, f"{where}.metadata")
    if given is not None and not isinstance(given, str):
        raise LocatedError(ParameterError("an id has to be a string"), f"{where}.id")
    check_addressable(given or "", f"{where}.id")
    identifier = content_id(part) if given is None else given
    return Draft(part, where, identifier, given is not None, metadata or {})


def draft_or_refused(value: Any, where: str, senses: Senses) -> Draft | Refused:
    try:
        return draft_of(value, where, senses)
    except LocatedError as error:
        given = value.get("id") if isinstance(value, dict) else None
        return Refused(error, given if isinstance(given, str) else None)


def duplicate(draft: Draft) -> Refused:
    message = f"the id {draft.id!r} comes twice in this request; each may come once"
    error = ParameterError(message, code="duplicate_id")
    return Refused(LocatedError(error, f"{draft.where}.id"), draft.id, draft.file)


def without_duplicates(drafts: Sequence[Draft | Refused]) -> list[Draft | Refused]:
    """An id that the caller gives twice is refused the second time: it cannot mean two things."""
    seen: set[str] = set()
    kept: list[Draft | Refused] = []
    for draft in drafts:
        twice = isinstance(draft, Draft) and draft.given_id and draft.id in seen
        kept.append(duplicate(draft) if twice and isinstance(draft, Draft) else draft)
        if isinstance(draft, Draft):
            seen.add(draft.id)
    return kept


def drafts_of(items: Sequence[Any], most: int, senses: Senses = MODALITIES) -> list[Draft | Refused]:
    """The items of a JSON request. Raises LocatedError around TooLargeError."""
    if len(items) > most:
        raise too_many(len(items), "items", most)
    drafts = [draft_or_refused(value, f"items[{i}]", senses) for i, value in enumerate(items)]
    count = sum(1 for draft in drafts if isinstance(draft, Draft) for _ in leaves(draft.part))
    if count > most:
        raise too_many(count, "items", most)
    return without_duplicates(drafts)


@dataclass(frozen=True)
class FileFields:
    """What a form says beside its files.

    One modality for all (or None), parameters of the decoders, and by file name metadata and ids; `senses`
    are the modalities there are.
    """

    modality: str | None
    params: Mapping[str, Any]
    metadata: Mapping[str, Any]
    ids: Mapping[str, Any]
    senses: Senses = field(default_factory=lambda: MODALITIES)


def draft_of_file(file: File, where: str, fields: FileFields) -> Draft:
    """An uploaded file as an item; without metadata of its own it keeps its name.

    Its modality is given, or guessed from its name and media type. Raises LocatedError.
    """
    given = fields.ids.get(file.name)
    check_addressable(given or "", f"{where}.id")
    modality = fields.modality or modality_of_file(file.name, file.media_type)
    if modality is None:
        message = (
            f"neither {file.name!r} nor {file.media_type!r} tells the modality; add the form field `modality`"
        )
        raise LocatedError(UnsupportedMediaError(message), where)
    accepted = fields.senses[modality].params
    params = {name: value for name, value in fields.params.items() if name in accepted}
    part = Part(Media(modality, file.data, file.media_type, params), where)
    metadata = fields.metadata.get(file.name, {"file": file.name})
    check_metadata(metadata, f"{where}.metadata")
    identifier = content_id(part) if given is None else given
    return Draft(part, where, identifier, given is not None, metadata, file.name)


def file_draft_or_refused(file: File, where: str, fields: FileFields) -> Draft | Refused:
    try:
        return draft_of_file(file, where, fields)
    except LocatedError as error:
        return Refused(error, fields.ids.get(file.name), file.name)


def drafts_of_files(files: Sequence[File], fields: FileFields) -> list[Draft | Refused]:
    """The items of a form."""
    return without_duplicates(
        [file_draft_or_refused(file, f"file[{i}]", fields) for i, file in enumerate(files)]
    )
