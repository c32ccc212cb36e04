"""The IMU tower: labelled movements against names and concepts."""

from __future__ import annotations

import torch

from models.samples import ImuSample
from models.small.movements import RATE_HZ, prepare_imu
from models.small.nets import ConvNet
from models.small.text import TextTower
from training.align import Figures, Hub, Task, align, fresh
from training.checks import by_archive, pooled
from training.config import AlignConfig
from training.folders import Folders
from training.index import read_index, split_of
from training.movements import MovementSource, recordings
from training.space import space_of

CONFIG = AlignConfig(steps=2000, batch=128, rate=1.5e-3, check_every=200, channels_last=False)


def train_imu(folders: Folders, text: TextTower, config: AlignConfig = CONFIG) -> ConvNet:
    items = read_index(folders.data)
    space = space_of(text, items, "imu")
    train = split_of(items, "imu", "train")
    val = split_of(items, "imu", "val")
    samples = [ImuSample(values, sample_rate=RATE_HZ) for values in recordings(folders.data, val)]
    views = [prepare_imu(sample).tensor for sample in samples]

    def check(tower: ConvNet, _: float) -> Figures:
        return by_archive(pooled(tower, views), val, space)

    source = MovementSource(recordings(folders.data, train), train, space)
    tower = fresh("imu", config)
    align(Task(Hub(space, torch.empty(0)), source, check), tower, config, folders.out / "imu.pt")
    return tower
