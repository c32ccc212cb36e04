"""The data sets that can be evaluated, as data. One more is one file under `layouts/` and one entry here.

A loader gets the root and the split, and gives tasks: any class with the three members of `tasks.Task`, so a
question of another kind (the fairness of mixed lists, say) is listed here like the others.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from evaluation import mixed
from evaluation.errors import EvaluationError, LayoutError
from evaluation.layouts import captions, ego4d, esc50, imagenet, llvip, rendered, rgbd, sensorium, vggsound
from evaluation.layouts.tables import DataSet


@dataclass(frozen=True)
class Layout:
    """`expects`: the files below the root, for people; `modalities`: what it can need of a model."""

    says: str
    modalities: tuple[str, ...]
    expects: str
    load: Callable[[Path, str | None], DataSet]


DATASETS: Mapping[str, Layout] = MappingProxyType(
    {
        "esc-50": Layout("50 environmental sounds", ("text", "audio"), esc50.EXPECTS, esc50.load),
        "audiocaps": Layout(
            "sounds with captions", ("text", "audio"), captions.AUDIOCAPS, captions.audiocaps
        ),
        "clotho": Layout("sounds with captions", ("text", "audio"), captions.CLOTHO, captions.clotho),
        "vggsound": Layout("sounds of videos, 309 names", ("text", "audio"), vggsound.EXPECTS, vggsound.load),
        "imagenet": Layout(
            "pictures in a folder per class", ("text", "image"), imagenet.EXPECTS, imagenet.load
        ),
        "nyu-d": Layout("depth maps of ten scenes", ("text", "depth"), rgbd.NYU, rgbd.nyu),
        "sun-rgbd": Layout("depth maps of 19 scenes", ("text", "depth"), rgbd.SUN, rgbd.sun),
        "llvip": Layout("thermal persons and background", ("text", "thermal"), llvip.EXPECTS, llvip.load),
        "ego4d-imu": Layout("movements by scenario", ("text", "imu"), ego4d.EXPECTS, ego4d.load),
        "mixed": Layout(
            "lists of all modalities, by cosine and calibrated", mixed.MODALITIES, mixed.EXPECTS, mixed.load
        ),
        "sensorium": Layout(
            "the index that sensorium-small is trained from, all senses",
            ("text", "image", "audio", "depth", "thermal", "imu"),
            sensorium.EXPECTS,
            sensorium.load,
        ),
        "rendered": Layout(
            "scenes drawn by rule", ("text", "image", "depth"), rendered.EXPECTS, rendered.load
        ),
    }
)


def layouts_in_words() -> str:
    """Every data set with the files that it expects."""
    return "\n\n".join(
        f"{name}: {layout.says} ({', '.join(layout.modalities)})\n{_indented(layout.expects)}"
        for name, layout in DATASETS.items()
    )


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


def layout_named(name: str) -> Layout:
    """Raises EvaluationError with all that are known."""
    if name not in DATASETS:
        raise EvaluationError(f"there is no data set {name!r}; known are\n\n{layouts_in_words()}")
    return DATASETS[name]


def load(name: str, root: Path, split: str | None) -> DataSet:
    """The tasks of a data set below `root`. Raises EvaluationError, LayoutError naming what is missing."""
    layout = layout_named(name)
    if not root.is_dir():
        raise LayoutError(f"{root} is no folder; {name} expects below it\n{_indented(layout.expects)}")
    expected = f"{name} expects\n{_indented(layout.expects)}"
    try:
        return layout.load(root, split)
    except LayoutError as error:
        raise LayoutError(f"{error.message}\n{expected}") from error
    except (ValueError, KeyError, csv.Error) as error:  # of JSON, UTF-8 and numbers too
        raise LayoutError(f"a list below {root} cannot be read: {error}\n{expected}") from error
