"""The image tower: labelled pictures against names and concepts, photographs against their captions."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import torch

from models.small.nets import ConvNet
from models.small.pictures import image_input
from models.small.text import TextTower
from training.align import Figures, Hub, Task, align, fresh
from training.augment import random_colour, random_crops, random_light
from training.checks import by_archive, outputs
from training.config import AlignConfig
from training.folders import Folders
from training.index import read_captions, read_index
from training.labelled import Batch, Columns
from training.pictures import Pictures, training_pictures, validation_pictures
from training.space import Space, say, space_of

CONFIG = AlignConfig(steps=11_000, class_weight=1.0, check_every=500)
SIDES = ((0.0, 32), (0.25, 48), (0.65, 64))  # from this share of the steps on, pixels
SHARES = {  # of a batch
    "images/tiny_imagenet.npz": 0.66,
    "images/cifar10.npz": 0.16,
    "images/caltech101.zip": 0.11,
    "images/flickr1k.zip": 0.03,
    "thermal/roadscene.zip": 0.015,
    "depth/sevenscenes_kitchen.zip": 0.01,
    "depth/zed_street.zip": 0.015,
}
CAPTIONS = 5  # per photograph


def side_at(done: float) -> int:
    """Pixels of the training pictures: small first, as most is learnt from them and they cost a quarter."""
    return [side for start, side in SIDES if done >= start][-1]


class PictureSource:
    """Draws archives by SHARES, pictures evenly within an archive."""

    def __init__(self, pictures: Pictures, space: Space, partner: dict[str, int]) -> None:
        self.pixels = pictures.pixels
        items = [pictures.items[row] for row in pictures.rows]
        self.columns = Columns(items, space, partner)
        counts: dict[str, int] = defaultdict(int)
        for item in items:
            counts[item.archive] += 1
        self.weights = torch.tensor([SHARES[item.archive] / counts[item.archive] for item in items])

    def batch(self, size: int, done: float) -> Batch:
        rows = torch.multinomial(self.weights, size, replacement=True).sort().values
        x = image_input(self.pixels[rows.numpy()])
        x = random_colour(random_light(random_crops(x, side_at(done), smallest=0.5)))
        x = x.contiguous(memory_format=torch.channels_last)
        return self.columns.batch(x, rows)


def caption_vectors(data: Path, text: TextTower, split: str) -> tuple[dict[str, int], torch.Tensor]:
    """({pair_id: row}, unit vectors (photographs, CAPTIONS, DIM))."""
    found: dict[str, list[str]] = defaultdict(list)
    for row in read_captions(data):
        if row["split"] == split:
            found[row["pair_id"]].append(row["caption"])
    texts = [(captions * CAPTIONS)[:CAPTIONS] for captions in found.values()]
    said = say(text, [caption for captions in texts for caption in captions])
    return {pair: row for row, pair in enumerate(found)}, said.view(len(texts), CAPTIONS, -1)


def train_image(folders: Folders, text: TextTower, config: AlignConfig = CONFIG) -> ConvNet:
    items = read_index(folders.data)
    space = space_of(text, items, "image")
    partner, captions = caption_vectors(folders.data, text, "train")
    source = PictureSource(training_pictures(folders.data, folders.cache), space, partner)

    def check(tower: ConvNet, done: float) -> Figures:
        seen = validation_pictures(folders.data, folders.cache, side_at(done))
        return by_archive(outputs(tower, image_input(seen.pixels)), seen.items, space)

    tower = fresh("image", config)
    align(Task(Hub(space, captions), source, check), tower, config, folders.out / "image.pt")
    return tower
