"""What a walk or a manifest yields: files to store, and those that cannot be."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import orjson

from index.validation import ID_BYTES
from service.drafts import FOLDED

# Part of every fingerprint: raise it when the same file has to be stored anew.
VERSION = 1
MARK = "ingest"
SHOWN_ENDINGS = 8


@dataclass(frozen=True)
class Candidate:
    """A file, or a text of a manifest (`path` None), that is to become the item `id`.

    `file` is its name as reports show it; `params` are what its modality's decoder takes.
    """

    id: str
    file: str
    path: Path | None
    modality: str
    params: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    text: str | None = None


@dataclass(frozen=True)
class Fault:
    """A file that was not stored, and why."""

    file: str
    message: str
    code: str = "invalid_request"


@dataclass(frozen=True)
class Passed:
    """A file that nobody asked for, such as a PDF; counted by its ending."""

    ending: str


Found: TypeAlias = Candidate | Fault | Passed


def digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def usable(identifier: str) -> bool:
    """Whether a collection takes this id and every HTTP client can address it."""
    printable = not any(unicodedata.category(each) in {"Cc", "Cs"} for each in identifier)
    return printable and 0 < len(identifier.encode()) <= ID_BYTES and not FOLDED.search(identifier)


def id_of(name: str) -> str:
    """The id of a file: its path below the source; of a path that cannot be one, its hash."""
    return name if usable(name) else f"path-{digest(name)}"


def facts_of(candidate: Candidate) -> str:
    """A hash of all that makes the item but its content: modality, parameters and metadata."""
    facts = [
        VERSION,
        candidate.modality,
        sorted((name, str(value)) for name, value in candidate.params.items()),
        candidate.metadata,
    ]
    return hashlib.sha256(orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)).hexdigest()


def marked(candidate: Candidate, source: str, print_: str) -> dict[str, Any]:
    """The item's metadata, with the file's name and what the next run knows it by."""
    shown = candidate.file.encode("utf-8", "replace").decode()
    mark = {"source": source, "hash": print_}
    if "file" in candidate.metadata:
        mark["file"] = shown
    return {"file": shown, **candidate.metadata, MARK: mark}


def mark_of(metadata: Mapping[str, Any]) -> tuple[str, str, str]:
    """(source, fingerprint, file) of a stored item; empty where it was stored in another way."""
    mark = metadata.get(MARK)
    mark = mark if isinstance(mark, Mapping) else {}
    file = mark.get("file", metadata.get("file", ""))
    return str(mark.get("source", "")), str(mark.get("hash", "")), str(file)


def listed_endings(passed: Counter[str]) -> str:
    """`.pdf 3, .xml 1`."""
    return ", ".join(
        f"{ending or 'no ending'} {count}" for ending, count in passed.most_common(SHOWN_ENDINGS)
    )
