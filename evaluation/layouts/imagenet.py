"""ImageNet and every other set of one folder of pictures per class."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from evaluation.errors import LayoutError
from evaluation.items import file_item
from evaluation.layouts.tables import PICTURES, DataSet, first_there, named_in_words
from evaluation.naming import Naming

EXPECTS = """\
{split}/CLASS/*.JPEG   or CLASS/*.JPEG; CLASS is a WordNet id or the name itself; --split val
classnames.txt         "n01440764 tench" per line (or LOC_synset_mapping.txt, words.txt,
                       imagenet_class_index.json); for all 1000 classes CLIP's names serve too"""
WNID = re.compile(r"n\d{8}")
MAPPINGS = ("classnames.txt", "LOC_synset_mapping.txt", "words.txt", "imagenet_class_index.json")


def _mapping(path: Path) -> dict[str, str]:
    """WordNet id -> name; of several names the first."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        return {wnid: named_in_words(name) for wnid, name in json.loads(text).values()}
    lines = (line.split(maxsplit=1) for line in text.splitlines() if line.strip())
    return {line[0]: named_in_words(line[-1].split(",")[0]) for line in lines}


def _clip_names(wnids: Sequence[str]) -> dict[str, str]:
    """CLIP's 1000 names stand in the order of the sorted ids."""
    from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES  # noqa: PLC0415 - takes seconds

    return dict(zip(wnids, IMAGENET_CLASSNAMES, strict=True))


def class_names(root: Path, folders: Sequence[str]) -> Mapping[str, str]:
    """Folder -> what it shows. Raises LayoutError where ids cannot be translated."""
    ids = [name for name in folders if WNID.fullmatch(name)]
    if not ids:
        return {name: named_in_words(name) for name in folders}
    known = next((_mapping(root / name) for name in MAPPINGS if (root / name).exists()), None)
    if known is None and len(ids) == 1000:
        known = _clip_names(ids)
    if known is None:
        raise LayoutError(f"{root} has WordNet ids as folders, but lacks {' or '.join(MAPPINGS)}")
    unknown = [wnid for wnid in ids if wnid not in known]
    if unknown:
        raise LayoutError(f"the list of class names lacks {unknown[0]} ({len(unknown)} in all)")
    return {name: known.get(name, named_in_words(name)) for name in folders}


def load(root: Path, split: str | None) -> DataSet:
    """One class per folder; classes of the same name keep apart."""
    base = root / (split or "val") if (root / (split or "val")).is_dir() else root
    folders = sorted(path for path in base.iterdir() if path.is_dir())
    files = [(path, folder.name) for folder in folders for path in _pictures(folder)]
    if not files:
        first_there(base, "CLASS/*.JPEG")
    names = class_names(root, [folder.name for folder in folders])
    task = Naming(
        "ImageNet",
        "image",
        [file_item("image", path) for path, _ in files],
        [label for _, label in files],
        {folder: (name,) for folder, name in names.items()},
        ("clip-80", "clip-7", "bare"),
    )
    return DataSet([task])


def _pictures(folder: Path) -> list[Path]:
    """In the folder, or in its `images/` (as Tiny-ImageNet's training part has them)."""
    inner = folder / "images"
    where = inner if inner.is_dir() else folder
    return sorted(path for path in where.iterdir() if path.suffix.lower() in PICTURES)
