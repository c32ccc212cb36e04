"""The depth tower: the photographs that belong to depth maps, and the names of the two places."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from models.samples import DepthSample
from models.small.nets import ConvNet
from models.small.pictures import DEPTH_SIDE, depth_planes, prepare_depth
from models.small.text import TextTower
from training.align import Figures, Hub, Task, align, fresh
from training.checks import by_archive, pooled
from training.config import AlignConfig
from training.index import read_index, split_of
from training.labelled import Columns
from training.maps import MapSource, depth_metres
from training.partners import paired_recall, partner_vectors
from training.space import space_of

CONFIG = AlignConfig(steps=500, batch=64, rate=1e-3, check_every=100, partner_weight=1.0, warmup=0.1)
STORED_SIDE = 80  # pixels of a training map before it is cropped
SHARES = {"depth/sevenscenes_kitchen.zip": 0.5, "depth/zed_street.zip": 0.5}


def train_depth(data: Path, out: Path, text: TextTower, image: ConvNet) -> ConvNet:
    """Goes on from `out/depth.pt`."""
    items = read_index(data)
    space = space_of(text, items, "depth")
    train, val = split_of(items, "depth", "train"), split_of(items, "depth", "val")
    views = [prepare_depth(DepthSample(metres)).tensor for metres in depth_metres(data, val)]
    seen = partner_vectors(data, [item for item in items if item.split == "val"], image)

    def check(tower: ConvNet, _: float) -> Figures:
        z = pooled(tower, views)
        return by_archive(z, val, space) | paired_recall(z, val, *seen)

    stored = np.stack([depth_planes(metres, STORED_SIDE, kept=1.0) for metres in depth_metres(data, train)])
    partner, pictures = partner_vectors(data, [item for item in items if item.split == "train"], image)
    source = MapSource(torch.from_numpy(stored), Columns(train, space, partner), SHARES, DEPTH_SIDE)
    tower = fresh("depth", CONFIG)
    align(Task(Hub(space, pictures), source, check), tower, CONFIG, out / "depth.pt")
    return tower
