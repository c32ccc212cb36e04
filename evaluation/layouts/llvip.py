"""LLVIP (Jia et al. 2021): infrared street scenes with boxes of persons, cut into persons and background.

As in ImageBind's appendix: the boxes, and as many random ones of the same sizes that hold no person.
"""

from __future__ import annotations

import random
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from evaluation.errors import LayoutError
from evaluation.items import Item
from evaluation.layouts.tables import PICTURES, DataSet, absent, files_by_stem, first_there
from evaluation.naming import Naming
from models.errors import MediaError
from models.modalities import decode
from models.samples import ThermalSample

EXPECTS = """\
infrared/{split}/*.jpg   --split test
Annotations/*.xml        Pascal VOC boxes, object name "person\""""
NAMES = {
    "person": ("person", "man", "woman", "people"),
    "background": ("street", "road", "car", "light", "tree"),
}
ATTEMPTS = 50  # to place a background box
SMALLEST = 4  # pixels; boxes below are no picture

Box = tuple[int, int, int, int]  # left, top, right, bottom; pixels


def _numbers(element: ET.Element | None, names: Sequence[str]) -> list[int]:
    """Raises ValueError where one is missing or no number."""
    if element is None:
        raise ValueError("it has no <size>")
    return [int(float(element.findtext(name, ""))) for name in names]


def boxes_of(path: Path) -> tuple[list[Box], tuple[int, int]]:
    """Boxes of persons, and width and height of the picture. Raises LayoutError."""
    try:
        tree = ET.parse(path)  # noqa: S314 - the user's own data set, and expat bounds entities
        width, height = _numbers(tree.find("size"), ("width", "height"))
        found = [_numbers(box, ("xmin", "ymin", "xmax", "ymax")) for box in tree.iterfind("object/bndbox")]
    except (ET.ParseError, ValueError) as error:
        raise LayoutError(f"{path} is no Pascal VOC annotation: {error}") from error
    clipped = [(max(x1, 0), max(y1, 0), min(x2, width), min(y2, height)) for x1, y1, x2, y2 in found]
    return [box for box in clipped if min(box[2] - box[0], box[3] - box[1]) >= SMALLEST], (width, height)


def _apart(one: Box, other: Box) -> bool:
    return one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


def background_boxes(persons: list[Box], size: tuple[int, int], seed: str) -> list[Box]:
    """One box per person, of its size, that meets no person; fewer where there is no room."""
    draw = random.Random(seed)  # noqa: S311 - places boxes, no secrets
    found = []
    for left, top, right, bottom in persons:
        width, height = right - left, bottom - top
        for _ in range(ATTEMPTS):
            x, y = draw.randint(0, size[0] - width), draw.randint(0, size[1] - height)
            box = (x, y, x + width, y + height)
            if all(_apart(box, person) for person in persons):
                found.append(box)
                break
    return found


@lru_cache(maxsize=8)
def _picture(path: Path) -> ThermalSample:
    sample = decode("thermal", path.read_bytes())
    if not isinstance(sample, ThermalSample):
        raise MediaError(f"{path} is no thermal picture")
    return sample


def _crop(path: Path, box: Box) -> ThermalSample:
    left, top, right, bottom = box
    return ThermalSample(np.ascontiguousarray(_picture(path).values[top:bottom, left:right]))


def load(root: Path, split: str | None) -> DataSet:
    """Persons and background, both from every annotated picture."""
    folder = first_there(root, f"infrared/{split or 'test'}")
    annotations = first_there(root, "Annotations")
    pictures = files_by_stem([folder], PICTURES)
    if not pictures:
        raise LayoutError(f"{folder} lacks pictures")
    annotated = {stem: path for stem, path in pictures.items() if (annotations / f"{stem}.xml").exists()}
    notes = absent([f"{s}.xml" for s in pictures if s not in annotated], len(pictures), "annotations")
    items: list[Item] = []
    labels: list[str] = []
    for stem, path in annotated.items():
        persons, size = boxes_of(annotations / f"{stem}.xml")
        cuts = [(box, "person") for box in persons]
        cuts += [(box, "background") for box in background_boxes(persons, size, stem)]
        items += [Item("thermal", f"{path}#{box}", partial(_crop, path, box), path) for box, _ in cuts]
        labels += [label for _, label in cuts]
    task = Naming("LLVIP", "thermal", items, labels, NAMES, ("imagebind", "clip-80", "short", "bare"))
    return DataSet([task], [*notes, f"{labels.count('person')} persons, {labels.count('background')} others"])
