"""ESC-50 (Piczak 2015): `meta/esc50.csv` and `audio/`."""

from __future__ import annotations

from pathlib import Path

from evaluation.errors import LayoutError
from evaluation.items import file_item
from evaluation.layouts.tables import DataSet, absent, first_there, named_in_words, rows_of
from evaluation.naming import Naming

EXPECTS = """\
meta/esc50.csv    filename, fold, category
audio/*.wav
--split 1 ... 5   one fold; all 2000 clips otherwise"""


def load(root: Path, split: str | None) -> DataSet:
    """All clips, or those of a fold; the 50 names of all of them."""
    rows = rows_of(first_there(root, "meta/esc50.csv"), ("filename", "fold", "category"))
    names = sorted({row["category"] for row in rows})
    chosen = [row for row in rows if split in {None, row["fold"]}]
    if not chosen:
        folds = ", ".join(sorted({row["fold"] for row in rows}))
        raise LayoutError(f"ESC-50 has no fold {split!r}; accepted are {folds}")
    folder = first_there(root, "audio")
    there = [row for row in chosen if (folder / row["filename"]).exists()]
    notes = absent([row["filename"] for row in chosen if row not in there], len(chosen), "clips")
    task = Naming(
        "ESC-50",
        "audio",
        [file_item("audio", folder / row["filename"]) for row in there],
        [row["category"] for row in there],
        {name: (named_in_words(name),) for name in names},
        ("imagebind", "short", "bare"),
    )
    return DataSet([task], notes)
