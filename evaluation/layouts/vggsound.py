"""VGGSound (Chen et al. 2020) and lists like it: id, start, label, split."""

from __future__ import annotations

import csv
from pathlib import Path

from evaluation.errors import LayoutError
from evaluation.items import file_item
from evaluation.layouts.tables import SOUNDS, DataSet, absent, files_by_stem, first_there
from evaluation.naming import Naming

EXPECTS = """\
vggsound.csv      no header: YOUTUBE_ID,START,LABEL,SPLIT; --split test
audio/ or ./      YOUTUBE_ID_000030.wav, YOUTUBE_ID_30.wav or YOUTUBE_ID.wav (.flac .mp3 ...)"""


def _rows(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.reader(file) if row]
    short = next((number for number, row in enumerate(rows) if len(row) != 4), None)
    if short is not None:
        raise LayoutError(f"line {short + 1} of {path} has {len(rows[short])} columns; wanted are 4")
    return rows


def load(root: Path, split: str | None) -> DataSet:
    """The sounds of a split; the names are all labels of the list."""
    rows = _rows(first_there(root, "vggsound.csv"))
    chosen = [row for row in rows if row[3] == (split or "test")]
    if not chosen:
        raise LayoutError(f"vggsound.csv has no split {split or 'test'!r}; it has {_splits(rows)}")
    folders = [root / name for name in (f"audio/{split or 'test'}", "audio", split or "test", ".")]
    files = files_by_stem(folders, SOUNDS)
    found, missing = [], []
    for youtube, start, label, _ in chosen:
        stems = [f"{youtube}_{int(float(start)):06d}", f"{youtube}_{start}", youtube]
        there = [files[stem] for stem in stems if stem in files]
        if there:
            found.append((there[0], label))
        else:
            missing.append(f"{stems[0]}.wav")
    notes = absent(missing, len(chosen), "sounds")
    labels = sorted({row[2] for row in rows})
    task = Naming(
        "VGGSound",
        "audio",
        [file_item("audio", path) for path, _ in found],
        [label for _, label in found],
        {label: (label,) for label in labels},
        ("imagebind", "short", "bare"),
    )
    return DataSet([task], notes)


def _splits(rows: list[list[str]]) -> str:
    return ", ".join(sorted({row[3] for row in rows}))
