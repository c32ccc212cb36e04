"""The values of the metadata keys that filters ask for, in memory, so that a filter costs no look at JSON.

A key's column is read from SQLite when a filter asks for it first, and follows every change from then on. An
item takes 4 bytes of it, and every different value is kept once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.conditions import Among, Between, Present, Test, number, time
from index.filters import Clauses, Condition, Filter, values
from index.items import Metadata

REMEMBERED = 8
"""Answers kept for filters that are asked again before anything changes."""
MOST_COLUMNS = 64
"""Columns kept; the one that was asked for the longest time ago goes first."""
MANY = 512
"""Up to so many different values are tested one by one, more of them as arrays."""
SPARE_VALUES = 10_000
"""A column with so many more values than items is dropped: most of them are not used any more."""

Mask = NDArray[np.bool_]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NOTHING = -(2**63)
_PLAIN = (str, int, float)


@dataclass(frozen=True, eq=False)
class _Learned:
    """Values as numbers (NaN: none), as times [us] (_NOTHING: none); odd ones are no float64."""

    numbers: NDArray[np.float64]
    times: NDArray[np.int64]
    odd: tuple[int, ...]


class Column:
    """The values of one key by item number.

    `codes` say of each item which value it has: 0 none, above 0 the place in `_values`, below 0 that of a
    tuple of several. Values and tuples are numbered as they come and stay.
    """

    def __init__(self) -> None:
        self._codes = np.zeros(1024, dtype=np.int32)
        self._items = 0
        self._values: list[Any] = [None]
        self._plain: dict[Any, int] = {}
        self._truths: dict[bool, int] = {}
        self._objects = 0
        self._several: list[tuple[int, ...]] = [()]
        self._several_numbered: dict[tuple[int, ...], int] = {}
        self._learned = _Learned(np.empty(0), np.empty(0, dtype=np.int64), ())

    @property
    def wasteful(self) -> bool:
        """Whether most values are likely to be those of items that are gone."""
        return len(self._values) + len(self._several) > 2 * self._items + SPARE_VALUES

    def put(self, item: int, found: Iterable[Any]) -> None:
        """Let the item have these values in place of those it had."""
        codes = [*map(self._code, found)]
        if item >= len(self._codes):
            roomier = np.zeros(max(item + 1, len(self._codes) * 5 // 4), dtype=np.int32)
            roomier[: len(self._codes)] = self._codes
            self._codes = roomier
        before = self._codes[item]
        after = -self._tuple(tuple(codes)) if len(codes) > 1 else sum(codes)
        self._codes[item] = after
        self._items += int(after != 0) - int(before != 0)

    def passing(self, test: Test, size: int) -> Mask:
        """Say of every item number below `size` whether one of the item's values passes."""
        table = self._table(test)
        codes = self._codes[:size]
        if len(self._several) > 1:
            several = np.fromiter((table[list(one)].any() for one in self._several), dtype=bool)
            found = np.where(codes >= 0, table[np.maximum(codes, 0)], several[np.maximum(-codes, 0)])
        else:
            # Every code is inside; numpy needs half as long where it need not look.
            found = table.take(codes, mode="clip")
        if len(found) < size:
            found = np.concatenate([found, np.zeros(size - len(found), dtype=bool)])
        return found

    def _code(self, value: Any) -> int:
        if isinstance(value, bool):
            numbered, key = self._truths, value
        elif isinstance(value, Mapping):
            return self._object()
        else:
            numbered, key = self._plain, value
        code = numbered.get(key)
        if code is None:
            code = numbered[key] = len(self._values)
            self._values.append(value)
        return code

    def _object(self) -> int:
        """All objects are one value: what is in them has other keys."""
        if not self._objects:
            self._objects = len(self._values)
            self._values.append({})
        return self._objects

    def _tuple(self, codes: tuple[int, ...]) -> int:
        code = self._several_numbered.get(codes)
        if code is None:
            code = self._several_numbered[codes] = len(self._several)
            self._several.append(codes)
        return code

    def _table(self, test: Test) -> Mask:
        """Say of every value whether it passes; the first stands for none and does not."""
        if isinstance(test, Present):
            table = np.ones(len(self._values), dtype=bool)
        elif isinstance(test, Among):
            table = self._among(test)
        elif isinstance(test, Between) and len(self._values) > MANY:
            table = self._between(test)
        else:
            table = np.fromiter((test(value) for value in self._values), dtype=bool)
        table[0] = False
        return table

    def _among(self, test: Among) -> Mask:
        table = np.full(len(self._values), not test.inside)
        for is_truth, value in test.accepted:
            table[(self._truths if is_truth else self._plain).get(value, 0)] = test.inside
        table[self._objects] = False
        return table

    def _between(self, test: Between) -> Mask:
        learned = self._learn()
        if test.of_times:
            table: Mask = learned.times != _NOTHING
            for compare, bound in test.bounds:
                table &= compare(learned.times, (bound - _EPOCH) // _MICROSECOND)
            return table
        if any(_as_float(bound) != bound for _, bound in test.bounds):
            return np.fromiter((test(value) for value in self._values), dtype=bool)
        table = ~np.isnan(learned.numbers)
        for compare, bound in test.bounds:
            table &= compare(learned.numbers, float(bound))
        table[list(learned.odd)] = [test(self._values[code]) for code in learned.odd]
        return table

    def _learn(self) -> "_Learned":
        """Read new values as numbers and times; readers may do so together: nothing is changed in place."""
        before = self._learned
        start = len(before.numbers)
        if start == len(self._values):
            return before
        new = self._values[start:]
        numbers, times = np.full(len(new), np.nan), np.full(len(new), _NOTHING, dtype=np.int64)
        odd = []
        for i, value in enumerate(new):
            if isinstance(value, str):
                if (moment := time(value)) is not None:
                    times[i] = (moment - _EPOCH) // _MICROSECOND
            elif number(value) is not None:
                numbers[i] = rounded = _as_float(value)
                if rounded != value:
                    odd.append(start + i)
        learned = _Learned(
            np.concatenate([before.numbers, numbers]),
            np.concatenate([before.times, times]),
            (*before.odd, *odd),
        )
        self._learned = learned
        return learned


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("nan")


class Columns:
    """The columns of a collection. `size` is one above the highest item number.

    Not locked: `missing` and `passing` may run together, everything else must run alone.
    """

    def __init__(self, size: int) -> None:
        self._columns: dict[str, Column] = {}
        self._asked: dict[str, int] = {}
        self._clock = count()
        self._since: dict[int, Metadata] | None = None
        self._masks: dict[Clauses, Mask] = {}
        self.size = size

    def missing(self, filter_: Filter) -> set[str]:
        """Give the keys of the filter that have no column yet."""
        return {key for key in filter_.clauses.keys() if key not in self._columns}  # noqa: SIM118 - a method

    def expect(self) -> None:
        """Keep in mind from now on what changes, until `put`."""
        self._since = {}

    def follow(self, metadata: Mapping[int, Metadata]) -> None:
        """Follow a change: what items have now, by their numbers, {} the deleted ones."""
        self._masks = {}
        self.size = max(self.size, *(item + 1 for item in metadata)) if metadata else self.size
        if self._since is not None:
            self._since.update(metadata)
        for key, column in list(self._columns.items()):
            for item, known in metadata.items():
                column.put(item, values(known, key))
            if column.wasteful:
                del self._columns[key]

    def put(self, columns: Mapping[str, Column]) -> None:
        """Let columns that were read while changes went on take their places."""
        if self._since is None:
            return
        for key, column in columns.items():
            for item, known in self._since.items():
                column.put(item, values(known, key))
            self._columns[key] = column
            self._asked[key] = next(self._clock)
        self._since = None
        while len(self._columns) > max(MOST_COLUMNS, len(columns)):
            del self._columns[min(self._columns, key=self._asked.__getitem__)]

    def forget(self) -> None:
        """Drop all columns, to be read again."""
        self._columns, self._since = {}, None

    def passing(self, filter_: Filter) -> Mask:
        """Say of every item number whether its metadata passes, shape (size,); no key may be `missing`.

        As long as nothing changes, the same filter gets the same array.
        """
        mask = self._masks.get(filter_.clauses)
        if mask is None:
            mask = self._clauses(filter_.clauses, self.size)
            self._masks = dict([*self._masks.items()][1 - REMEMBERED :]) | {filter_.clauses: mask}
        return mask

    def _clauses(self, clauses: Clauses, size: int) -> Mask:
        found = np.ones(size, dtype=bool)
        for one in clauses.must:
            found &= self._one(one, size)
        for one in clauses.must_not:
            found &= ~self._one(one, size)
        if clauses.should:
            some = np.zeros(size, dtype=bool)
            for one in clauses.should:
                some |= self._one(one, size)
            found &= some
        return found

    def _one(self, one: Condition | Clauses, size: int) -> Mask:
        if isinstance(one, Clauses):
            return self._clauses(one, size)
        self._asked[one.key] = next(self._clock)
        found = self._columns[one.key].passing(one.test, size)
        return found if one.wanted else ~found


def read(keys: Iterable[str], items: Iterable[tuple[int, Metadata]]) -> dict[str, Column]:
    """Make the columns of these keys from all items and their metadata."""
    columns = {key: Column() for key in keys}
    pairs = list(columns.items())
    for item, metadata in items:
        for key, column in pairs:
            value = metadata.get(key)
            column.put(item, (value,) if isinstance(value, _PLAIN) else values(metadata, key))
    return columns
