"""One measured number with everything that belongs to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from evaluation import bootstrap
from evaluation.metrics import Float64, Int64


@dataclass(frozen=True)
class Figure:
    """`value` of `measure` over `n` queries, with its 95 % interval where one can be drawn.

    `chance`: what a random order gives; `prompts`: which sentences stood for the names; `emergent`: the two
    modalities were never trained together. The rest is filled in by the run: `dataset`, `variant` (of depth
    or thermal), `published`, `seconds` (of the whole task, decoding included).
    """

    task: str
    measure: str
    value: float
    n: int
    low: float | None = None
    high: float | None = None
    chance: float | None = None
    prompts: str | None = None
    emergent: bool = False
    dataset: str = ""
    variant: str | None = None
    published: float | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Pen:
    """Writes the figures of one task."""

    task: str
    emergent: bool = False

    def mean(
        self,
        measure: str,
        values: Float64,
        *,
        chance: float | None = None,
        prompts: str | None = None,
        groups: Int64 | None = None,
    ) -> Figure:
        return self._figure(measure, values, bootstrap.mean, np.mean, groups, chance, prompts)

    def median(self, measure: str, values: Float64, *, groups: Int64 | None = None) -> Figure:
        return self._figure(measure, values, bootstrap.median, np.median, groups, None, None)

    def plain(self, measure: str, value: float, n: int, *, prompts: str | None = None) -> Figure:
        """A number without an interval."""
        return Figure(self.task, measure, value, n, prompts=prompts, emergent=self.emergent)

    def _figure(  # noqa: PLR0913, PLR0917 - what a figure consists of
        self,
        measure: str,
        values: Float64,
        statistic: bootstrap.Statistic,
        whole: Callable[[Float64], np.floating],
        groups: Int64 | None,
        chance: float | None,
        prompts: str | None,
    ) -> Figure:
        low, high = bootstrap.interval(values, statistic, groups=groups)
        value = float(whole(values))
        return Figure(
            self.task, measure, value, len(values), low, high, chance, prompts, emergent=self.emergent
        )
