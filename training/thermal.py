"""The thermal tower: labels, and the photographs that were taken beside the thermal ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from models.samples import Float32, ThermalSample
from models.small.nets import ConvNet
from models.small.pictures import THERMAL_SIDE, plane, prepare_thermal, thermal_input
from models.small.text import TextTower
from training.align import Figures, Hub, Task, align, fresh
from training.augment import random_light
from training.checks import by_archive, pooled
from training.config import AlignConfig
from training.crops import Crop, drawn_crops, picture_crops
from training.folders import Folders
from training.index import read_index, split_of
from training.labelled import Batch, Columns
from training.maps import NOISE, MapCrops, thermal_values
from training.partners import paired_recall, partner_vectors
from training.pictures import pixels_of
from training.space import space_of

CONFIG = AlignConfig(
    steps=1500,
    batch=96,
    rate=1e-3,
    check_every=300,
    partner_weight=1.0,
    partner_scale=30.0,
    max_scale=100.0,
    class_weight=1.0,
    warmup=0.1,
)
STORED_SIDE = 120  # pixels of a training picture before it is cropped
SHARES = {"thermal/thermal_dogs_people.zip": 0.4, "thermal/hit_uav.zip": 0.6}
PAIRED = 0.4  # of a batch
CROPS, SMALLEST = 32, 0.5  # of a pair


class ThermalSource:
    """`pairs` (crops, pairs, 1, side, side): row c * pairs + i is crop c of pair i; `alone` follows."""

    def __init__(self, pairs: torch.Tensor, alone: MapCrops, columns: Columns) -> None:
        self.pairs, self.alone, self.columns = pairs.flatten(0, 1), alone, columns

    def batch(self, size: int, _: float) -> Batch:
        rows = torch.randint(len(self.pairs), (round(PAIRED * size) if len(self.alone.weights) else size,))
        x = random_light(self.pairs[rows])
        x = x + NOISE * torch.randn_like(x)
        if len(rows) < size:
            rest = torch.multinomial(self.alone.weights, size - len(rows), replacement=True)
            x, rows = torch.cat([x, self.alone(rest)]), torch.cat([rows, len(self.pairs) + rest])
        return self.columns.batch(x.contiguous(memory_format=torch.channels_last), rows)


def cropped(values: Sequence[Float32], crops: Sequence[Crop]) -> torch.Tensor:
    """(crops, pictures, 1, THERMAL_SIDE, THERMAL_SIDE)."""
    return torch.stack(
        [thermal_input(np.stack([plane(crop(each), THERMAL_SIDE) for each in values])) for crop in crops]
    )


def train_thermal(folders: Folders, text: TextTower, image: ConvNet, config: AlignConfig = CONFIG) -> ConvNet:
    """Goes on from `out/thermal.pt`."""
    items = read_index(folders.data)
    space = space_of(text, items, "thermal")
    train, val = split_of(items, "thermal", "train"), split_of(items, "thermal", "val")
    views = [prepare_thermal(ThermalSample(values)).tensor for values in thermal_values(folders.data, val)]
    seen = partner_vectors(folders.data, [item for item in items if item.split == "val"], image)

    def check(tower: ConvNet, _: float) -> Figures:
        z = pooled(tower, views)
        return by_archive(z, val, space) | paired_recall(z, val, *seen)

    beside = {item.pair_id: item for item in split_of(items, "image", "train") if item.pair_id}
    paired = [item for item in train if item.pair_id in beside]
    alone = [item for item in train if item.pair_id not in beside]
    crops = drawn_crops(CROPS, SMALLEST, np.random.default_rng(config.seed))
    pairs = cropped(thermal_values(folders.data, paired), crops)
    partners = picture_crops(
        image, list(pixels_of(folders.data, [beside[item.pair_id] for item in paired])), crops
    )
    columns = Columns(paired * CROPS + alone, space)
    columns.partners[: len(paired) * CROPS] = torch.arange(len(paired) * CROPS)
    whole = [plane(values, STORED_SIDE, kept=1.0) for values in thermal_values(folders.data, alone)]
    stored = np.stack(whole) if whole else np.empty((0, STORED_SIDE, STORED_SIDE), np.float32)
    rest = MapCrops(thermal_input(stored), alone, SHARES, THERMAL_SIDE)
    source = ThermalSource(pairs, rest, columns)
    tower = fresh("thermal", config)
    align(
        Task(Hub(space, partners.flatten(0, 1)[:, None]), source, check),
        tower,
        config,
        folders.out / "thermal.pt",
    )
    return tower
