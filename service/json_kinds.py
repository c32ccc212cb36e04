"""JSON says itself what is a number, a truth value or a text, so none of them is taken for another.

Forms say everything as text, and pydantic turns text into numbers for them; a JSON body must not profit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, TypeAlias, Union, get_args, get_origin

from pydantic import AliasChoices, BaseModel
from pydantic.fields import FieldInfo

# Beyond 64 bits pydantic says no more of an integer than that it cannot parse a string.
LARGEST = 2**63


def is_truth(value: Any) -> bool:
    return isinstance(value, bool)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def may_be_integer(value: Any) -> bool:
    """A fraction or what the field's bounds leave out is told by pydantic."""
    return is_number(value) and abs(value) < LARGEST


Kind: TypeAlias = Callable[[Any], bool]
INTEGER = frozenset({int})
# Of a field: which scalars JSON may hold there, and what they are called.
EXPECTED: Mapping[frozenset[type], tuple[Kind, str]] = {
    INTEGER: (may_be_integer, "an integer"),
    frozenset({float}): (is_number, "a number"),
    frozenset({bool}): (is_truth, "true or false"),
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


def bounds_of(field: FieldInfo) -> str:
    """` from 1 to 1000`, as far as the field has bounds."""
    low = next((each.ge for each in field.metadata if hasattr(each, "ge")), None)
    high = next((each.le for each in field.metadata if hasattr(each, "le")), None)
    return ("" if low is None else f" from {low}") + ("" if high is None else f" to {high}")


def shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"the text {value[:40]!r}" if isinstance(value, str) else str(value)


@cache
def scalars_of(model: type[BaseModel]) -> Sequence[tuple[str, Kind, str]]:
    """Of each scalar field, for every name it has: that, what is accepted, and what that is called."""
    found = []
    for name, field in model.model_fields.items():
        kinds = frozenset(each for each in alternatives(field.annotation) if isinstance(each, type))
        if kinds in EXPECTED:
            accepts, called = EXPECTED[kinds]
            called += bounds_of(field) if kinds == INTEGER else ""
            found += [(key, accepts, called) for key in names_of(name, field)]
    return found


def problems(model: type[BaseModel], value: Any) -> Iterator[dict[str, Any]]:
    """Faults, as pydantic tells them, of the scalar fields of a JSON object."""
    if not isinstance(value, Mapping):
        return
    for key, accepts, called in scalars_of(model):
        given = value.get(key)
        if isinstance(given, str | bool | int | float) and not accepts(given):
            message = f"has to be {called}, not {shown(given)}"
            yield {"type": "wrong_kind", "loc": ("body", key), "msg": message, "input": given}
