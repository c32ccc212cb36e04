"""The filter grammar: a JSON object in, a predicate on metadata out.

    filter    = {"must": [c, ..], "should": [c, ..], "must_not": [c, ..]}     each optional
    c         = {"key": K, "match": {"value": v} | {"any": [v, ..]} | {"except": [v, ..]}}
              | {"key": K, "range": {"gt" "gte" "lt" "lte": number or RFC 3339 time}}
              | {"key": K, "exists": true | false}
              | filter

All of `must`, none of `must_not` and, where there is a `should`, at least one of it have to hold. A key with
dots leads into nested objects ("camera.iso"), unless metadata has a key of just that name. Lists on the way
stand for all their elements, and a condition holds if it holds for any of the values its key leads to; where
that is none (missing, null, an empty list), only `"exists": false` holds. An object exists and passes no
`match`, `except` included. Numbers equal numbers (1 is 1.0), true and false are no numbers. A range of times
looks at strings that are times, in UTC where they name no offset.
"""

import operator
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from index.conditions import Among, Between, Present, Tagged, Test, number, tagged, time
from index.errors import FilterError, shown
from index.needles import needles

MAX_DEPTH = 16
MAX_CONDITIONS = 1_000
MAX_VALUES = 10_000

_CLAUSES = ("must", "should", "must_not")
_TESTS = ("match", "range", "exists")
_MATCHES = ("value", "any", "except")
_BOUNDS = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}


@dataclass(frozen=True)
class Condition:
    """Holds if any value that `key` leads to passes the test, or with `wanted` false if none does."""

    key: str
    test: Test
    wanted: bool = True

    def holds(self, metadata: Mapping[str, Any]) -> bool:
        return any(map(self.test, values(metadata, self.key))) is self.wanted


@dataclass(frozen=True)
class Clauses:
    """All of `must`, none of `must_not` and, where there is a `should`, at least one of it."""

    must: "tuple[Condition | Clauses, ...]"
    should: "tuple[Condition | Clauses, ...]"
    must_not: "tuple[Condition | Clauses, ...]"

    def holds(self, metadata: Mapping[str, Any]) -> bool:
        return (
            all(one.holds(metadata) for one in self.must)
            and not any(one.holds(metadata) for one in self.must_not)
            and (not self.should or any(one.holds(metadata) for one in self.should))
        )

    def keys(self) -> set[str]:
        found: set[str] = set()
        for one in (*self.must, *self.should, *self.must_not):
            found |= {one.key} if isinstance(one, Condition) else one.keys()
        return found


@dataclass(frozen=True)
class Filter:
    """A checked filter. Calling it with metadata tells whether that passes; without conditions all does.

    `needles` are pieces of text that the JSON of all metadata that passes contains.
    """

    clauses: Clauses
    conditions: int
    needles: tuple[str, ...]

    def __call__(self, metadata: Mapping[str, Any]) -> bool:
        return self.clauses.holds(metadata)


def parse(value: Mapping[str, Any]) -> Filter:
    """Check a filter as it came over the wire.

    Raises:
        FilterError: it does not follow the grammar; the message names the place and what is accepted there.
    """
    conditions = _Counter()
    clauses = _filter(value, "filter", MAX_DEPTH, conditions)
    return Filter(clauses, conditions.seen, needles(value))


def values(metadata: Mapping[str, Any], key: str) -> Iterator[Any]:
    """Give every value that `key` leads to: no null, and of lists the elements."""
    if key in metadata:
        yield from _leaves(metadata[key])
        return
    yield from _walk(metadata, key.split("."))


class _Counter:
    def __init__(self) -> None:
        self.seen = 0

    def count(self) -> None:
        self.seen += 1
        if self.seen > MAX_CONDITIONS:
            raise FilterError(
                f"the filter has more than {MAX_CONDITIONS} conditions, which is the most accepted"
            )


def _filter(value: Any, where: str, depth: int, counter: _Counter) -> Clauses:
    if depth == 0:
        raise FilterError(f"{where} is nested deeper than {MAX_DEPTH} filters, which is the most accepted")
    clauses = _object(value, where, _CLAUSES)
    must, should, must_not = (
        tuple(
            _condition(one, f"{where}.{name}[{i}]", depth, counter)
            for i, one in enumerate(_list(clauses.get(name, []), f"{where}.{name}"))
        )
        for name in _CLAUSES
    )
    return Clauses(must, should, must_not)


def _condition(value: Any, where: str, depth: int, counter: _Counter) -> Condition | Clauses:
    if isinstance(value, Mapping) and value and not value.keys() & {"key", *_TESTS}:
        return _nested(value, where, depth, counter)
    counter.count()
    condition = _object(
        value, where, ("key", *_TESTS), or_else=", or a nested filter with must, should, must_not"
    )
    key = condition.get("key")
    if not isinstance(key, str) or not key:
        raise FilterError(f"{where}.key must be a non-empty string, not {shown(key)}")
    kinds = [name for name in _TESTS if name in condition]
    if len(kinds) != 1:
        raise FilterError(f"{where} needs exactly one of {_listed(_TESTS)} beside key, it has {len(kinds)}")
    what, place = condition[kinds[0]], f"{where}.{kinds[0]}"
    if kinds[0] == "exists":
        return Condition(key, Present(), wanted=_wanted(what, place))
    return Condition(key, _match(what, place) if kinds[0] == "match" else _range(what, place))


def _nested(value: Mapping[str, Any], where: str, depth: int, counter: _Counter) -> Clauses:
    before = counter.seen
    nested = _filter(value, where, depth - 1, counter)
    if counter.seen == before:
        raise FilterError(f"{where} is a filter without conditions, at least one is needed")
    return nested


def _wanted(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise FilterError(f"{where} must be true or false, not {shown(value)}")
    return value


def _match(value: Any, where: str) -> Among:
    words = _object(value, where, _MATCHES)
    if len(words) != 1:
        raise FilterError(f"{where} needs exactly one of {_listed(_MATCHES)}, it has {len(words)}")
    (word, wanted), *_ = words.items()
    place = f"{where}.{word}"
    among = [wanted] if word == "value" else _list(wanted, place)
    if len(among) > MAX_VALUES:
        raise FilterError(f"{place} has {len(among)} values, at most {MAX_VALUES} are accepted")
    return Among(frozenset(_scalar(one, place) for one in among), inside=word != "except")


def _range(value: Any, where: str) -> Between:
    bounds = _object(value, where, tuple(_BOUNDS))
    if not bounds:
        raise FilterError(f"{where} needs at least one of {_listed(tuple(_BOUNDS))}")
    limits = tuple((_BOUNDS[word], _bound(limit, f"{where}.{word}")) for word, limit in bounds.items())
    if len({isinstance(limit, datetime) for _, limit in limits}) > 1:
        raise FilterError(f"{where} mixes numbers and times, its bounds must be of one kind")
    return Between(limits)


def _bound(value: Any, where: str) -> Any:
    bound = time(value) if isinstance(value, str) else number(value)
    if bound is None:
        raise FilterError(f"{where} must be a finite number or an RFC 3339 time, not {shown(value)}")
    return bound


def _walk(value: Any, names: list[str]) -> Iterator[Any]:
    if not names:
        yield from _leaves(value)
    elif isinstance(value, list):
        for one in value:
            yield from _walk(one, names)
    elif isinstance(value, Mapping) and names[0] in value:
        yield from _walk(value[names[0]], names[1:])


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for one in value:
            yield from _leaves(one)
    elif value is not None:
        yield value


def _scalar(value: Any, where: str) -> Tagged:
    if isinstance(value, str | bool) or number(value) is not None:
        return tagged(value)
    raise FilterError(f"{where} accepts strings, numbers, true and false, not {shown(value)}")


def _object(value: Any, where: str, accepted: tuple[str, ...], or_else: str = "") -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise FilterError(
            f"{where} must be an object with {_listed(accepted)}{or_else}, not {type(value).__name__}"
        )
    if unknown := [name for name in value if name not in accepted]:
        raise FilterError(f"{where} has {shown(unknown[0])}; accepted are {_listed(accepted)}{or_else}")
    return value


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise FilterError(f"{where} must be a list, not {shown(value)}")
    return list(value)


def _listed(words: tuple[str, ...]) -> str:
    return ", ".join(words)
