"""The audio tower: labelled sounds against names and concepts."""

from __future__ import annotations

import torch

from models.samples import AudioSample
from models.small.nets import ConvNet
from models.small.sounds import prepare_audio
from models.small.text import TextTower
from training.align import Figures, Hub, Task, align, fresh
from training.checks import by_archive, pooled
from training.config import AlignConfig
from training.folders import Folders
from training.index import read_index, split_of
from training.sounds import SoundSource, training_mels, waveforms
from training.space import space_of

CONFIG = AlignConfig(steps=2500, batch=96, rate=1.5e-3, check_every=250, concept_weight=0.5, class_weight=1.0)


def train_audio(folders: Folders, text: TextTower, config: AlignConfig = CONFIG) -> ConvNet:
    items = read_index(folders.data)
    space = space_of(text, items, "audio")
    train = split_of(items, "audio", "train")
    val = split_of(items, "audio", "val")
    views = [prepare_audio(AudioSample(waveform)).tensor for waveform in waveforms(folders.data, val)]

    def check(tower: ConvNet, _: float) -> Figures:
        return by_archive(pooled(tower, views), val, space)

    source = SoundSource(training_mels(folders.data, folders.cache, train), train, space)
    tower = fresh("audio", config)
    align(Task(Hub(space, torch.empty(0)), source, check), tower, config, folders.out / "audio.pt")
    return tower
