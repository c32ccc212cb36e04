"""Scenes drawn by rule, seen by a depth sensor and a camera; nothing has to be downloaded for them."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable
from functools import partial
from pathlib import Path

from evaluation.errors import LayoutError
from evaluation.items import Item, text_item
from evaluation.layouts.tables import DataSet
from evaluation.pairing import Pairing
from evaluation.tasks import Task
from models.samples import DepthSample, ImageSample, Sample

EXPECTS = "nothing: the scenes are drawn by training.rendered"
COUNT = 100


def available() -> bool:
    return importlib.util.find_spec("training.rendered") is not None


def _item(modality: str, values: bytes, sample: Callable[[], Sample]) -> Item:
    return Item(modality, f"rendered-{hashlib.sha256(values).hexdigest()}", sample)


def tasks(count: int = COUNT) -> list[Task]:
    """Depth to picture and to the fullest caption, of scenes that training does not draw."""
    from training.rendered import VAL_SEED, scenes  # noqa: PLC0415 - draws, and is not always there

    drawn = list(scenes(count, VAL_SEED))
    depth = [_item("depth", one.metres.tobytes(), partial(DepthSample, one.metres)) for one in drawn]
    image = [_item("image", one.pixels.tobytes(), partial(ImageSample, one.pixels)) for one in drawn]
    said = [text_item(one.captions[0]) for one in drawn]
    rows = range(count)
    return [
        Pairing("rendered scenes", depth, image, rows),
        Pairing("rendered scenes", depth, said, rows),
    ]


def load(root: Path, split: str | None) -> DataSet:
    """The same scenes for every model; `root` is not read."""
    del root
    if split not in {None, "val"}:
        raise LayoutError(f"the rendered scenes have one split, val, not {split!r}")
    if not available():
        raise LayoutError("training.rendered is not installed")
    return DataSet(tasks())
