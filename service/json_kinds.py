"""JSON says itself what is a number, a truth value or a text, so none of them is taken for another.

Forms say everything as text, and pydantic turns text into numbers for them; a JSON body must not profit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import AliasChoices, BaseModel
from pydantic.fields import FieldInfo

# Of a field: what else JSON may hold where it holds one of these, and what it is called.
EXPECTED: Mapping[frozenset[type], tuple[tuple[type, ...], str]] = {
    frozenset({int}): ((int, float), "an integer"),
    frozenset({float}): ((int, float), "a number"),
    frozenset({bool}): ((bool,), "true or false"),
}


def alternatives(annotation: Any) -> Iterator[Any]:
    """The types of an annotation, those of unions and `Annotated` one by one, None left out."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from alternatives(get_args(annotation)[0])
    elif origin in {Union, UnionType}:
        for each in get_args(annotation):
            yield from alternatives(each)
    elif annotation is not NoneType:
        yield annotation


def names_of(name: str, field: FieldInfo) -> list[str]:
    """What a field is called in a body."""
    if isinstance(field.validation_alias, AliasChoices):
        return [choice for choice in field.validation_alias.choices if isinstance(choice, str)]
    return [field.validation_alias] if isinstance(field.validation_alias, str) else [name]


def shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"the text {value[:40]!r}" if isinstance(value, str) else str(value)


@cache
def scalars_of(model: type[BaseModel]) -> Sequence[tuple[str, tuple[type, ...], str]]:
    """Of each scalar field, for every name it has: that, the types accepted, and what they are called."""
    found = []
    for name, field in model.model_fields.items():
        kinds = frozenset(each for each in alternatives(field.annotation) if isinstance(each, type))
        if kinds in EXPECTED:
            found += [(key, *EXPECTED[kinds]) for key in names_of(name, field)]
    return found


def problems(model: type[BaseModel], value: Any) -> Iterator[dict[str, Any]]:
    """Faults, as pydantic tells them, of the scalar fields of a JSON object."""
    if not isinstance(value, Mapping):
        return
    for key, accepted, called in scalars_of(model):
        given = value.get(key)
        is_scalar = isinstance(given, str | bool | int | float)
        right = isinstance(given, accepted) and (bool in accepted or not isinstance(given, bool))
        if is_scalar and not right:
            message = f"has to be {called}, not {shown(given)}"
            yield {"type": "wrong_kind", "loc": ("body", key), "msg": message, "input": given}
