"""The thermal tower: labels, and the photographs that were taken beside the thermal ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.samples import ThermalSample
from models.small.nets import ConvNet
from models.small.pictures import THERMAL_SIDE, plane, prepare_thermal, thermal_input
from models.small.text import TextTower
from training.align import Figures, Hub, Task, align, fresh
from training.checks import by_archive, pooled
from training.config import AlignConfig
from training.index import read_index, split_of
from training.labelled import Columns
from training.maps import MapSource, thermal_values
from training.partners import paired_recall, partner_vectors
from training.space import space_of

CONFIG = AlignConfig(steps=700, batch=64, rate=1e-3, check_every=100, partner_weight=1.0, warmup=0.1)
STORED_SIDE = 120  # pixels of a training picture before it is cropped
SHARES = {
    "thermal/roadscene.zip": 0.4,
    "thermal/thermal_dogs_people.zip": 0.25,
    "thermal/hit_uav.zip": 0.35,
}


def train_thermal(data: Path, out: Path, text: TextTower, image: ConvNet) -> ConvNet:
    """Goes on from `out/thermal.pt`."""
    items = read_index(data)
    space = space_of(text, items, "thermal")
    train, val = split_of(items, "thermal", "train"), split_of(items, "thermal", "val")
    views = [prepare_thermal(ThermalSample(values)).tensor for values in thermal_values(data, val)]
    seen = partner_vectors(data, [item for item in items if item.split == "val"], image)

    def check(tower: ConvNet, _: float) -> Figures:
        z = pooled(tower, views)
        return by_archive(z, val, space) | paired_recall(z, val, *seen)

    stored = np.stack([plane(values, STORED_SIDE, kept=1.0) for values in thermal_values(data, train)])
    partner, pictures = partner_vectors(data, [item for item in items if item.split == "train"], image)
    source = MapSource(thermal_input(stored), Columns(train, space, partner), SHARES, THERMAL_SIDE)
    tower = fresh("thermal", CONFIG)
    align(Task(Hub(space, pictures), source, check), tower, CONFIG, out / "thermal.pt")
    return tower
