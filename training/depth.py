"""The depth tower: photographs and rendered pictures beside depth maps, and what is said of them.

partners   InfoNCE, both ways, between a crop of a map and the image tower's vector of the same crop of
           the picture; half a batch are runs of neighbouring frames cut alike, each other's hardest rivals
names      softmax over the labels of all modalities and the captions of the rendered scenes
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from models.samples import DepthSample, ImageSample
from models.small.nets import ConvNet
from models.small.pictures import prepare_depth, prepare_image
from models.small.text import TextTower
from training.align import Figures, Hub, Task, align, fresh
from training.checks import by_archive, pooled
from training.config import AlignConfig
from training.crops import Crop, drawn_crops, map_crops, picture_crops
from training.folders import Folders
from training.index import Item, read_index
from training.labelled import Columns
from training.pairs import Pairs, PairSource, pairs_of, rendered_pairs
from training.partners import recall
from training.rendered import TRAIN_SEED, VAL_SEED, scenes
from training.rendered.meshes import read_meshes
from training.rendered.stored import stored_scenes
from training.space import Space, say, space_of

CONFIG = AlignConfig(
    steps=2000,
    batch=128,
    rate=1.5e-3,
    partner_scale=30.0,
    max_scale=100.0,
    partner_weight=3.0,
    concept_weight=0.2,
    cosine_weight=0.3,
    check_every=400,
)
CROPS, SMALLEST = 16, 0.6  # of a pair
SCENE_CROPS, SCENE_SMALLEST = 3, 0.8  # of a rendered scene
SCENES_A_STEP, MOST_SCENES = 1, 2000  # rendered scenes, by the length of the training
WATCHED = 100  # rendered scenes that are never trained on


def with_captions(space: Space, text: TextTower, items: list[Item]) -> Space:
    """`space` and the captions of rendered scenes; captions and labels of one concept are no rivals."""
    concepts = {item.label: item.concept for item in items if item.label not in space.names}
    said = list(concepts)
    if not said:
        return space
    width, count = len(space.names), len(space.names) + len(said)
    rivals = torch.ones(count, count, dtype=torch.bool)
    rivals[:width, :width] = space.rivals
    for column, name in enumerate(space.names):
        alike = torch.tensor([concepts[caption].removesuffix(" scene") in name for caption in said])
        rivals[column, width:] = rivals[width:, column] = ~alike
    return replace(
        space, names=space.names + said, vectors=torch.cat([space.vectors, say(text, said)]), rivals=rivals
    )


def watching(
    real: Pairs, rendered: Pairs, space: Space, image: ConvNet
) -> Callable[[ConvNet, float], Figures]:
    """Figures of a tower on pairs that are never trained on, through the service's own prepare."""
    both = Pairs(real.items + rendered.items, real.maps + rendered.maps, real.pictures + rendered.pictures)
    views = [prepare_depth(DepthSample(metres)).tensor for metres in both.maps]
    pictures = pooled(image, [prepare_image(ImageSample(picture)).tensor for picture in both.pictures])

    def check(tower: ConvNet, _: float) -> Figures:
        z, figures = pooled(tower, views), dict[str, float]()
        for archive in dict.fromkeys(item.archive for item in both.items):
            rows = [row for row, item in enumerate(both.items) if item.archive == archive]
            figures[f"{Path(archive).stem} R@1"] = recall(z[rows], pictures[rows])
            figures[f"{Path(archive).stem} R@1 back"] = recall(pictures[rows], z[rows])
        return by_archive(z[: len(real.items)], real.items, space) | figures

    return check


def _bank(image: ConvNet, pairs: Pairs, crops: Sequence[Crop]) -> tuple[torch.Tensor, torch.Tensor]:
    """(maps (crops, pairs, 2, side, side), the pictures' vectors (crops * pairs, 1, DIM))."""
    return map_crops(pairs.maps, crops), picture_crops(image, pairs.pictures, crops).flatten(0, 1)[:, None]


def train_depth(folders: Folders, text: TextTower, image: ConvNet, config: AlignConfig = CONFIG) -> ConvNet:
    """Goes on from `out/depth.pt`."""
    items, rng = read_index(folders.data), np.random.default_rng(config.seed)
    meshes, count = read_meshes(folders.data, items), min(MOST_SCENES, SCENES_A_STEP * config.steps)
    drawn = stored_scenes(folders.cache / "rendered.npz", count, TRAIN_SEED, meshes)
    real, rendered = pairs_of(folders.data, items, "train"), rendered_pairs(drawn)
    space = with_captions(space_of(text, items, "depth"), text, rendered.items)
    unseen = rendered_pairs(list(scenes(min(WATCHED, count), VAL_SEED, meshes)))
    check = watching(pairs_of(folders.data, items, "val"), unseen, space, image)
    maps, pictures = _bank(image, real, drawn_crops(CROPS, SMALLEST, rng))
    scene_maps, scene_pictures = _bank(image, rendered, drawn_crops(SCENE_CROPS, SCENE_SMALLEST, rng))
    columns = Columns(real.items * CROPS + rendered.items * SCENE_CROPS, space)
    columns.partners = torch.arange(len(columns.items))
    hub, source = Hub(space, torch.cat([pictures, scene_pictures])), PairSource(maps, scene_maps, columns)
    tower = fresh("depth", config)
    align(Task(hub, source, check), tower, config, folders.out / "depth.pt")
    return tower
