"""`python -m training.evaluate --data DIR [--weights FILE]`: figures of the model on the val splits."""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

import models
from models.embedder import Embedder
from models.samples import TextSample
from training.figures import Float32, mean_average_precision, recall, top1
from training.index import Item, read_captions, read_index, split_of
from training.material import samples_of
from training.names import sentences

MODALITIES = ("image", "audio", "imu", "thermal", "depth")
CLASSES = {  # zero-shot tasks: archives
    "Tiny-ImageNet": ("images/tiny_imagenet.npz",),
    "CIFAR-10": ("images/cifar10.npz",),
    "Caltech-101": ("images/caltech101.zip",),
    "ESC-10": ("sounds/esc10.zip",),
    "all sounds but digits": ("sounds/esc10.zip", "sounds/animals.zip"),
    "spoken digits": ("sounds/digits.zip",),
    "UCI HAR": ("imu/uci_har.npz",),
    "SisFall": ("imu/sisfall.npz",),
    "thermal dog or person": ("thermal/thermal_dogs_people.zip",),
    "thermal from a drone": ("thermal/hit_uav.zip",),
}
PAIRS = {  # map -> photograph
    "RoadScene": ("thermal", "thermal/roadscene.zip"),
    "kitchen": ("depth", "depth/sevenscenes_kitchen.zip"),
    "street": ("depth", "depth/zed_street.zip"),
}


class Seen:
    """The val items of every modality and their vectors."""

    def __init__(self, data: Path, embedder: Embedder) -> None:
        items = read_index(data)
        self.data, self.embedder = data, embedder
        self.items = {name: split_of(items, name, "val") for name in MODALITIES}
        self.z = {name: embedder.embed(name, samples_of(data, own)) for name, own in self.items.items()}

    def showing(self, modality: str, concepts: set[str]) -> tuple[Float32, list[str]]:
        """Vectors and concepts of the items that show one of `concepts`."""
        rows = [row for row, item in enumerate(self.items[modality]) if item.concept in concepts]
        return self.z[modality][rows], [self.items[modality][row].concept for row in rows]

    def where(self, modality: str, archives: Sequence[str]) -> tuple[Float32, list[Item]]:
        """Vectors and items of some archives, those with one label."""
        rows = [
            row
            for row, item in enumerate(self.items[modality])
            if item.archive in archives and item.label and "|" not in item.label
        ]
        return self.z[modality][rows], [self.items[modality][row] for row in rows]


def named(embedder: Embedder, modality: str, names: Sequence[str], *, bare: bool) -> Float32:
    """Unit vectors of names: alone, or as the mean over the modality's sentences."""
    if bare:
        return say(embedder, names)
    means = np.stack([say(embedder, sentences(modality, name)).mean(0) for name in names])
    return np.asarray(means / np.linalg.norm(means, axis=1, keepdims=True), np.float32)


def say(embedder: Embedder, texts: Sequence[str]) -> Float32:
    return embedder.embed("text", [TextSample(text) for text in texts])


def zero_shot(seen: Seen, archives: Sequence[str]) -> str:
    """Top-1 with the training's sentences, and with the bare names."""
    modality = next(name for name in MODALITIES if any(item.archive in archives for item in seen.items[name]))
    z, items = seen.where(modality, archives)
    labels = [item.label for item in items]
    names = sorted(set(labels))
    scores = [
        top1(z, labels, names, named(seen.embedder, modality, names, bare=bare)) for bare in (False, True)
    ]
    return f"{scores[0]:.3f}  (bare names {scores[1]:.3f}; {len(names)} names, {len(items)} items)"


def pair_recall(seen: Seen, modality: str, archive: str) -> str:
    """Recall at 1 in both directions among the val pairs of an archive."""
    z, items = seen.where(modality, [archive])
    pictures, shown = seen.where("image", [archive])
    order = [[item.pair_id for item in shown].index(item.pair_id) for item in items]
    there, back = (recall(a, b, range(len(a)), 1) for a, b in ((z, pictures[order]), (pictures[order], z)))
    return f"{there:.3f} to the photograph, {back:.3f} from it, of {len(items)}"


def flickr(seen: Seen) -> str:
    """Photograph <-> sentence among the val photographs."""
    z, items = seen.where("image", ["images/flickr1k.zip"])
    rows = [row for row, item in enumerate(seen.items["image"]) if item.archive == "images/flickr1k.zip"]
    z, items = seen.z["image"][rows], [seen.items["image"][row] for row in rows]
    places = {item.pair_id: place for place, item in enumerate(items)}
    said = [row for row in read_captions(seen.data) if row["pair_id"] in places]
    texts, owners = (
        say(seen.embedder, [row["caption"] for row in said]),
        [places[row["pair_id"]] for row in said],
    )
    there = recall(z, texts, owners, 10)
    nearest = np.argsort(-(texts @ z.T), axis=1)[:, :10]
    back = float(np.mean([owner in row for owner, row in zip(owners, nearest, strict=True)]))
    return f"{there:.3f} to a sentence, {back:.3f} from a sentence, {len(items)} photographs"


def text_to_audio(seen: Seen) -> str:
    z, items = seen.where("audio", ["sounds/esc10.zip", "sounds/animals.zip"])
    names = sorted({item.label for item in items})
    queries = named(seen.embedder, "audio", names, bare=False)
    return f"{mean_average_precision(queries, names, z, [item.label for item in items]):.3f} mAP"


def by_concept(seen: Seen, asked: str, found: str) -> str:
    """Mean average precision from one modality to another over the concepts that both have."""
    concepts = defaultdict(set)
    for modality in (asked, found):
        for item in seen.items[modality]:
            if item.concept and "|" not in item.concept and item.label != "sneezing":
                concepts[item.concept].add(modality)
    shared = {concept for concept, where in concepts.items() if len(where) == 2}
    (queries, wanted), (items, shown) = (seen.showing(modality, shared) for modality in (asked, found))
    chance = np.mean([np.mean(np.array(shown) == concept) for concept in wanted])
    score = mean_average_precision(queries, wanted, items, shown)
    return f"{score:.3f} mAP  (random {chance:.2f}; {len(shared)} concepts)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    seen = Seen(chosen.data, models.load("sensorium-small", weights=chosen.weights))
    figures = {name: partial(zero_shot, seen, archives) for name, archives in CLASSES.items()}
    figures |= {f"{name} R@1": partial(pair_recall, seen, *where) for name, where in PAIRS.items()}
    figures |= {
        "Flickr R@10": partial(flickr, seen),
        "text -> audio": partial(text_to_audio, seen),
        "audio -> image": partial(by_concept, seen, "audio", "image"),
        "image -> audio": partial(by_concept, seen, "image", "audio"),
        "thermal -> audio": partial(by_concept, seen, "thermal", "audio"),
    }
    for name, figure in figures.items():
        print(f"{name:24}{figure()}", flush=True)


if __name__ == "__main__":
    main()
