"""Reads the JSON lines that `progress.py` writes: loss, rate and figures of a stage over its steps."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

PAUSE_S = 300.0  # a longer silence between two lines is a pause, not work


@dataclass(frozen=True)
class Record:
    """One stage. `losses`: (step, running loss); `figures`: by name, (step, figure); `seconds` at work."""

    name: str
    step: int
    steps: int
    losses: list[tuple[int, float]]
    figures: dict[str, list[tuple[int, float]]]
    seconds: float
    pauses: int

    @property
    def last(self) -> dict[str, float]:
        """The figures of the last check."""
        return {name: points[-1][1] for name, points in self.figures.items()}


def read(path: Path) -> Record:
    """The record of a stage; steps that were done again after a kill count as they were done last.

    Raises ValueError naming the file and line that is no record.
    """
    lines = _lines(path)
    by_step: dict[int, dict[str, Any]] = {}
    for line in lines:
        for later in [step for step in by_step if step > line["step"]]:
            del by_step[later]
        by_step[line["step"]] = by_step.get(line["step"], {}) | line
    figures: dict[str, list[tuple[int, float]]] = {}
    for step, line in by_step.items():
        for name, value in line.get("figures", {}).items():
            figures.setdefault(name, []).append((step, float(value)))
    gaps = np.diff([line["time"] for line in lines])
    return Record(
        path.stem,
        max(by_step),
        lines[-1]["steps"],
        [(step, line["loss"]) for step, line in by_step.items()],
        figures,
        float(gaps[gaps <= PAUSE_S].sum()),
        int((gaps > PAUSE_S).sum()),
    )


def _lines(path: Path) -> list[dict[str, Any]]:
    """The parsed lines; a last line that a kill cut in half is left out."""
    found = []
    texts = path.read_text(encoding="utf-8").splitlines()
    for number, text in enumerate(texts, 1):
        try:
            line = json.loads(text)
            found.append(
                line | {"time": float(line["time"]), "step": int(line["step"]), "steps": int(line["steps"])}
            )
        except (ValueError, KeyError, TypeError):
            if number < len(texts):
                raise ValueError(
                    f"{path}, line {number}: no record of a training step: {text[:60]!r}"
                ) from None
    if not found:
        raise ValueError(f"{path} holds no record of a training step")
    return found
