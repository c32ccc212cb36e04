"""Items -> vectors in an encoder's thread, with every error as a value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TypeAlias

import numpy as np

from models.embedder import Views
from service.batch import Item, Key, Vector, prepared, untied, views_in
from service.metrics import Metrics
from service.pace import Pace

Encode: TypeAlias = Callable[[str, Sequence[Views], bool], Vector]
Divide: TypeAlias = Callable[[int], None]
Turn: TypeAlias = Callable[[], AbstractContextManager[object]]
Outcome: TypeAlias = Vector | Exception


class Attempts:
    """`encode(modality, views, normalize)` gives (n, dim), inside of `turn()`.

    Before it `divide` hears how many lanes share the processors.
    """

    def __init__(self, encode: Encode, turn: Turn, divide: Divide, metrics: Metrics, pace: Pace) -> None:
        self.encode = encode
        self._turn = turn
        self._divide = divide
        self._metrics = metrics
        self._pace = pace

    def of(self, key: Key, items: Sequence[Item], sharing: int) -> list[Outcome] | Exception:
        """For each item its vector, or what its preparing raised; or what the encoder raised.

        The error is a value, as in an open `except` the failed batch keeps its memory.
        """
        try:
            with self._pace.encoding(key[0], len(items), lambda: sum(map(views_in, items))):
                return self._outcomes(key, items, sharing)
        except BaseException as error:  # noqa: BLE001 - a panic of compiled code derives from no Exception
            return untied(error)

    def _outcomes(self, key: Key, items: Sequence[Item], sharing: int) -> list[Outcome]:
        self._divide(sharing)
        ready = [prepared(item) for item in items]
        views = [each for each in ready if isinstance(each, Views)]
        rows = iter(self._rows(key, views) if views else ())
        return [next(rows) if isinstance(each, Views) else each for each in ready]

    def _rows(self, key: Key, views: Sequence[Views]) -> Vector:
        modality, normalize = key
        with self._turn(), self._metrics.encoding(modality, len(views), sum(map(views_in, views))):
            rows = self.encode(modality, views, normalize)
            if len(rows) != len(views) or not np.isfinite(rows).all():
                raise RuntimeError(f"the {modality} encoder gave {rows.shape} or numbers that are not finite")
        return rows
