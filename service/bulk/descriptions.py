"""What is said beside a file, in a sidecar or a row of a manifest: id, modality, parameters, metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from models.errors import ParameterError, SensoriumError
from models.modalities import modality_named
from service.bulk.candidates import usable
from service.parts import Senses
from service.whole_numbers import OUTSIDE, is_altered, may_be_rounded, read_exactly

SIDECAR = ".json"
LARGEST_SIDECAR = 1_000_000
OWN = ("id", "modality", "metadata")


@dataclass(frozen=True)
class Description:
    """`params` are what the decoder takes (sample_rate, unit, fx, ..)."""

    id: str | None = None
    modality: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)


NOTHING = Description()


def text_or_none(value: Mapping[str, Any], name: str) -> str | None:
    given = value.get(name)
    if given is None or isinstance(given, str):
        return given
    raise ParameterError(f"`{name}` has to be a string")


def described(value: Any, senses: Senses, more: tuple[str, ...] = ()) -> Description:
    """A JSON object as a description; `more`: the fields it may have beside. Raises SensoriumError."""
    if not isinstance(value, dict):
        raise ParameterError("a description is a JSON object with id, modality, metadata or parameters")
    params = {param for each in senses.values() for param in each.params}
    for name in value:
        if name not in params and name not in (*OWN, *more):
            accepted = ", ".join((*more, *OWN, *sorted(params)))
            raise ParameterError(
                f"unknown field {name!r}; accepted: {accepted}; free ones go into `metadata`"
            )
    metadata = value.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise ParameterError("`metadata` has to be an object")
    identifier, modality = text_or_none(value, "id"), text_or_none(value, "modality")
    if identifier is not None and not usable(identifier):
        raise ParameterError(
            f"the id {identifier!r} is not accepted: 1 to 512 bytes of UTF-8 without control characters and "
            "without `.` or `..` between slashes"
        )
    if modality is not None:
        modality_named(modality, senses)
    given = {name: value[name] for name in value if name in params and value[name] is not None}
    return Description(identifier, modality, metadata, given)


def json_of(data: bytes) -> Any:
    """Raises ParameterError."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ParameterError(f"it is not valid JSON: {error.msg}") from error
    if may_be_rounded(value) and is_altered(read_exactly(data)):
        raise ParameterError(f"it holds {OUTSIDE}")
    return value


def sidecar_of(path: Path) -> Path | None:
    """`x.jpg.json`, else `x.json`."""
    for beside in (path.with_name(path.name + SIDECAR), path.with_suffix(SIDECAR)):
        if beside != path and beside.is_file():
            return beside
    return None


def read_sidecar(beside: Path, senses: Senses) -> Description:
    """What a sidecar says. Raises SensoriumError, OSError."""
    try:
        if beside.stat().st_size > LARGEST_SIDECAR:
            raise ParameterError(f"it is larger than {LARGEST_SIDECAR} bytes")
        return described(json_of(beside.read_bytes()), senses)
    except SensoriumError as error:
        raise ParameterError(f"its sidecar {beside.name}: {error.message}", code=error.code) from error
