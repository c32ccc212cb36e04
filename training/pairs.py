"""Depth maps and the pictures beside them, and the batches that are drawn from their crops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn import functional

from models.samples import Float32, UInt8
from training.augment import random_light
from training.index import Item, split_of
from training.labelled import Batch, Columns
from training.maps import depth_metres
from training.pictures import pixels_of
from training.rendered import Scene

RENDERED = 0.5  # of a batch
RUN = 16  # neighbouring frames in a batch
SHARES = {"depth/sevenscenes_kitchen.zip": 0.65, "depth/zed_street.zip": 0.35}  # of the runs
NOISE, HOLES = 0.05, 0.16  # standard deviation; largest share of a map that is covered


@dataclass(frozen=True, eq=False)
class Pairs:
    """`maps`, `pictures`: of the same places; `items` name them."""

    items: list[Item]
    maps: list[Float32]
    pictures: list[UInt8]


def pairs_of(data: Path, items: list[Item], split: str) -> Pairs:
    """The depth maps of a split and the photographs beside them."""
    maps = split_of(items, "depth", split)
    beside = {item.pair_id: item for item in split_of(items, "image", split)}
    paired = [item for item in maps if item.pair_id in beside]
    pictures = list(pixels_of(data, [beside[item.pair_id] for item in paired]))
    return Pairs(paired, depth_metres(data, paired), pictures)


def rendered_pairs(drawn: Sequence[Scene]) -> Pairs:
    """`label`: a caption without colours, of which a depth map knows nothing."""
    items = [
        Item("depth", "rendered", str(number), "train", scene.captions[1], scene.concept, "")
        for number, scene in enumerate(drawn)
    ]
    return Pairs(items, [scene.metres for scene in drawn], [scene.pixels for scene in drawn])


def disturbed(x: torch.Tensor) -> torch.Tensor:
    """Prepared maps (n, 2, side, side) with other offsets, noise, and holes in both planes."""
    x = torch.cat([random_light(x[:, :1], brightness=0.1, contrast=0.1), x[:, 1:]], 1)
    share = HOLES * torch.rand(len(x), 1, 1, 1)
    holes = functional.interpolate(torch.rand(len(x), 1, 8, 8), size=x.shape[-1]) < share
    return (x + NOISE * torch.randn_like(x)).masked_fill(holes, 0.0)


class PairSource:
    """Runs of neighbouring pairs cut alike, and rendered scenes. Row of crop c of item i: c * items + i."""

    def __init__(self, runs: torch.Tensor, scenes: torch.Tensor, columns: Columns) -> None:
        """`runs` (crops, pairs, 2, side, side); `scenes` (crops, scenes, ...); `columns`: of all rows."""
        self.runs, self.scenes, self.columns = runs, scenes, columns
        archives = [item.archive for item in columns.items[: runs.shape[1]]]
        self.ranges = {name: (archives.index(name), archives.count(name)) for name in dict.fromkeys(archives)}
        self.shares = torch.tensor([SHARES.get(name, 1.0) for name in self.ranges])

    def batch(self, size: int, _: float) -> Batch:
        rendered = round(size * RENDERED) if self.scenes.numel() else 0
        taken = [self._run() for _ in range(-(-(size - rendered) // RUN))]
        rows = torch.cat(taken)[: size - rendered]
        drawn = (
            torch.randint(self.scenes.shape[0] * self.scenes.shape[1], (rendered,)) if rendered else rows[:0]
        )
        x = torch.cat([self.runs.flatten(0, 1)[rows], self.scenes.flatten(0, 1)[drawn]]).float()
        x = disturbed(x).contiguous(memory_format=torch.channels_last)
        return self.columns.batch(x, torch.cat([rows, drawn + self.runs.shape[0] * self.runs.shape[1]]))

    def _run(self) -> torch.Tensor:
        """Rows of RUN neighbours of one archive in one crop."""
        first, count = list(self.ranges.values())[int(torch.multinomial(self.shares, 1))]
        length = min(RUN, count)
        start = first + int(torch.randint(count - length + 1, ()))
        crop = int(torch.randint(self.runs.shape[0], ()))
        return crop * self.runs.shape[1] + torch.arange(start, start + length)
