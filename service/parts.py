"""The part grammar: JSON of a request -> typed parts, each of which knows its place in the request.

Everything that can be told from the JSON alone is checked here; media are decoded later.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, TypeAlias

from models.errors import ParameterError, SensoriumError
from models.modalities import MODALITIES, Modality
from service.base64_media import is_address, media_of
from service.errors import LocatedError, TooLargeError

DEEPEST = 8
LARGEST_WEIGHT = 1e6
LARGEST_TOKEN = 2**31
NUMBERS = frozenset({int, float})
Senses: TypeAlias = Mapping[str, Modality]
# OpenAI's content parts, and those that vLLM and Voyage add: type -> (modality, name of the file's field).
OPENAI_MEDIA: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "image_url": ("image", "url"),
        "input_audio": ("audio", "data"),
        "audio_url": ("audio", "url"),
        "video_url": ("video", "url"),
        "image_base64": ("image", "data"),
        "audio_base64": ("audio", "data"),
        "video_base64": ("video", "data"),
    }
)


@dataclass(frozen=True)
class Text:
    text: str


@dataclass(frozen=True)
class Tokens:
    ids: tuple[int, ...]


@dataclass(frozen=True)
class Media:
    """An encoded file; `params` are what its modality's decoder takes."""

    modality: str
    data: bytes = field(repr=False)
    media_type: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Remote:
    """A file that lies behind an address, until it is fetched (service/fetching)."""

    modality: str
    address: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Stored:
    """An item of the collection that is searched."""

    id: str


@dataclass(frozen=True)
class Ready:
    """A vector as the caller sent it."""

    vector: Sequence[float]
    modality: str


@dataclass(frozen=True)
class Fused:
    parts: tuple[Part, ...]


Content: TypeAlias = Text | Tokens | Media | Remote | Stored | Ready | Fused


@dataclass(frozen=True)
class Part:
    """Content, its weight in a blend and its place in the request, such as `query.parts[1]`."""

    content: Content
    where: str
    weight: float = 1.0


@dataclass(frozen=True)
class Grammar:
    """How a value is read: bare strings are media of `strings`; `senses` are the modalities there are."""

    senses: Senses = field(default_factory=lambda: MODALITIES)
    strings: str = "text"
    depth: int = 0

    @property
    def media(self) -> tuple[str, ...]:
        return tuple(name for name in self.senses if name != "text")

    @property
    def content_keys(self) -> tuple[str, ...]:
        return ("text", *self.media, "id", "vector", "parts")


def content_key(value: Mapping[str, Any], grammar: Grammar) -> str:
    """The one key that says what a part is."""
    keys = [key for key in grammar.content_keys if key in value]
    if len(keys) == 1:
        return keys[0]
    others = f"only {', '.join(map(repr, value))}" if value else "nothing"
    found = f"both {' and '.join(keys)}" if keys else others
    raise ParameterError(f"a part has exactly one of {', '.join(grammar.content_keys)}; this one has {found}")


def refuse_unknown(params: Mapping[str, Any], accepted: Sequence[str], key: str) -> None:
    unknown = [name for name in params if name not in accepted]
    if unknown:
        also = ", ".join((*accepted, "weight"))
        raise ParameterError(f"unknown field {unknown[0]!r} beside `{key}`; accepted: {also}")


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def ready_of(vector: Any, modality: Any, senses: Senses = MODALITIES) -> Ready:
    if not isinstance(modality, str) or modality not in senses:
        raise ParameterError(f"`modality` has to be one of {', '.join(senses)}")
    if not isinstance(vector, list) or not vector or not NUMBERS.issuperset(map(type, vector)):
        raise ParameterError("`vector` has to be a list of numbers")
    return Ready(vector, modality)


def fused_of(parts: Any, where: str, grammar: Grammar, key: str = "parts") -> Fused:
    if grammar.depth >= DEEPEST:
        raise ParameterError(f"parts within parts go at most {DEEPEST} levels deep")
    if not isinstance(parts, list) or not parts:
        raise ParameterError(f"`{key}` has to be a list of at least one part")
    inner = replace(grammar, depth=grammar.depth + 1)
    return Fused(tuple(part_of(each, f"{where}.{key}[{i}]", inner) for i, each in enumerate(parts)))


def without(value: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: each for key, each in value.items() if key not in keys}


def kind(value: Any) -> str:
    """The JSON name of a value's type."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def file_of(modality: str, value: Any, params: Mapping[str, Any]) -> Media | Remote:
    """A file in base64, or the address of one."""
    if is_address(value):
        return Remote(modality, value, params)
    return Media(modality, *media_of(value), params)


def content_of_object(value: Mapping[str, Any], where: str, grammar: Grammar) -> Content:
    key = content_key(value, grammar)
    content, params = value[key], without(value, key, "weight")
    if key in grammar.media:
        refuse_unknown(params, tuple(grammar.senses[key].params), key)
        return file_of(key, content, params)
    refuse_unknown(params, ("modality",) if key == "vector" else (), key)
    if key == "vector":
        return ready_of(content, params.get("modality", "text"), grammar.senses)
    if key == "parts":
        return fused_of(content, where, grammar)
    if not isinstance(content, str):
        raise ParameterError(f"`{key}` has to be a string, not {kind(content)}")
    return Text(content) if key == "text" else Stored(content)


def openai_content(value: Mapping[str, Any], where: str, grammar: Grammar) -> Content:
    """`{"type": "image_url", "image_url": {"url": ..}}` and its relatives; `type` may name our own key."""
    name = value["type"]
    if name in ("text", "input_text"):
        return content_of_object({"text": value.get("text")}, "", Grammar())
    if isinstance(name, str) and name in grammar.media:
        return content_of_object(without(value, "type"), where, grammar)
    if not isinstance(name, str) or name not in OPENAI_MEDIA:
        raise ParameterError(f"`type` {name!r} is not known; accepted: {', '.join(('text', *OPENAI_MEDIA))}")
    modality, file = OPENAI_MEDIA[name]
    holder = value.get(name)
    return file_of(modality, holder.get(file) if isinstance(holder, dict) else holder, {})


def is_tokens(value: Sequence[Any]) -> bool:
    return bool(value) and all(isinstance(each, int) and not isinstance(each, bool) for each in value)


def tokens_of(value: Sequence[Any]) -> Tokens:
    if not is_tokens(value):
        raise ParameterError("a list inside a list of parts has to hold token ids: integers from 0")
    if not all(0 <= token < LARGEST_TOKEN for token in value):
        raise ParameterError("token ids are integers from 0 to the size of the model's vocabulary")
    return Tokens(tuple(value))


def content_of(value: Any, where: str, grammar: Grammar) -> Content:
    if isinstance(value, str):
        return Text(value) if grammar.strings == "text" else file_of(grammar.strings, value, {})
    if isinstance(value, list):
        return tokens_of(value)
    if not isinstance(value, dict):
        raise ParameterError(f"a part is a string, a list of token ids or an object, not {kind(value)}")
    if "type" in value:
        return openai_content(value, where, grammar)
    if isinstance(value.get("content"), list):
        refuse_unknown(without(value, "content", "weight"), (), "content")
        return fused_of(value["content"], where, grammar, "content")
    return content_of_object(value, where, grammar)


def weight_of(value: Any) -> float:
    weight = value.get("weight", 1.0) if isinstance(value, dict) else 1.0
    if not is_number(weight) or not math.isfinite(weight) or abs(weight) > LARGEST_WEIGHT:
        raise ParameterError(
            f"`weight` has to be a number from -{LARGEST_WEIGHT:.0f} to {LARGEST_WEIGHT:.0f}"
        )
    return float(weight)


def part_of(value: Any, where: str, grammar: Grammar) -> Part:
    try:
        return Part(content_of(value, where, grammar), where, weight_of(value))
    except SensoriumError as error:
        raise LocatedError(error, where) from error


def parse_part(value: Any, where: str, strings: str = "text", senses: Senses = MODALITIES) -> Part:
    """One part. Raises LocatedError."""
    return part_of(value, where, Grammar(senses, strings))


def leaves(part: Part) -> Iterator[Part]:
    """The parts that are not blends, in order."""
    if isinstance(part.content, Fused):
        for each in part.content.parts:
            yield from leaves(each)
    else:
        yield part


def too_many(count: int, where: str, most: int) -> LocatedError:
    message = f"{count} parts in one request; at most {most} are allowed (SENSORIUM_MAX_BATCH_ITEMS)"
    return LocatedError(TooLargeError(message), where)


def limited(parts: list[Part], where: str, most: int) -> list[Part]:
    count = sum(1 for part in parts for _ in leaves(part))
    if count > most:
        raise too_many(count, where, most)
    return parts


def parse_inputs(
    value: Any, where: str, most: int, strings: str = "text", senses: Senses = MODALITIES
) -> list[Part]:
    """An OpenAI `input`: one part or a list of parts; a list of integers is one text's token ids.

    `strings`: the modality that bare strings are media of. `most`: how many parts are allowed. `senses`: the
    modalities there are.
    Raises LocatedError around ParameterError, TooLargeError or UnusableValueError.
    """
    if not isinstance(value, list) or is_tokens(value):
        return limited([parse_part(value, where, strings, senses)], where, most)
    if not value:
        raise LocatedError(ParameterError("an empty list; send at least one part"), where)
    if len(value) > most:
        raise too_many(len(value), where, most)
    grammar = Grammar(senses, strings)
    return limited([part_of(each, f"{where}[{i}]", grammar) for i, each in enumerate(value)], where, most)


def parse_query(value: Any, where: str, most: int, senses: Senses = MODALITIES) -> Part:
    """A search's query: a part, or a list of parts as one blend."""
    if not isinstance(value, list) or is_tokens(value):
        return limited([parse_part(value, where, senses=senses)], where, most)[0]
    return Part(Fused(tuple(parse_inputs(value, where, most, senses=senses))), where)
