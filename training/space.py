"""The hub: names and concepts of the data as unit vectors of the frozen text tower."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional

from models.small.text import TextTower
from training.index import Item, names_by_modality
from training.names import sentences
from training.text import token_ids, vectors


def say(tower: TextTower, texts: list[str]) -> torch.Tensor:
    """Unit vectors (n, DIM) of sentences."""
    return functional.normalize(vectors(tower, token_ids(texts)), dim=-1)


@dataclass(frozen=True)
class Space:
    """What one modality is aligned to.

    `names`, `vectors` (names, DIM): the modality's own labels first, then everybody else's.
    `rivals` (names, names): which names contradict which. `concepts`, `concept_vectors`: the shared names.
    """

    names: list[str]
    vectors: torch.Tensor
    rivals: torch.Tensor
    concepts: list[str]
    concept_vectors: torch.Tensor

    def to(self, device: str) -> Space:
        vectors, rivals = self.vectors.to(device), self.rivals.to(device)
        return Space(self.names, vectors, rivals, self.concepts, self.concept_vectors.to(device))

    def name_column(self, item: Item) -> int:
        """Column of the item's name, -1 where it has none."""
        return self.names.index(item.name) if item.name in self.names else -1

    def concept_column(self, item: Item) -> int:
        return self.concepts.index(item.concept) if item.concept in self.concepts else -1


def average(tower: TextTower, modality: str, names: list[str]) -> torch.Tensor:
    """(names, DIM): the mean direction of every way to say a name."""
    ways = [sentences(modality, name) for name in names]
    said = say(tower, [sentence for way in ways for sentence in way])
    means = [part.mean(0) for part in torch.split(said, [len(way) for way in ways])]
    return functional.normalize(torch.stack(means), dim=-1)


def space_of(tower: TextTower, items: list[Item], modality: str) -> Space:
    """The space that the tower of `modality` is trained against."""
    by_modality = {m: names for m, names in names_by_modality(items).items() if m != "mesh"}
    own = by_modality.pop(modality)
    parts = [average(tower, modality, own)]
    names = list(own)
    for other, others in by_modality.items():
        new = [name for name in others if name not in names]
        if new:
            parts.append(average(tower, other, new))
            names += new
    shared = _shared_concepts([item for item in items if item.modality == modality])
    concept_vectors = average(tower, modality, shared) if shared else torch.empty(0, parts[0].shape[1])
    return Space(names, torch.cat(parts), _rivals(names, items), shared, concept_vectors)


def _shared_concepts(items: list[Item]) -> list[str]:
    """Concepts that gather several labels, or that are called otherwise than the label."""
    labels: dict[str, set[str]] = {}
    for item in items:
        if item.concept and "|" not in item.label:
            labels.setdefault(item.concept, set()).add(item.label)
    return [concept for concept, found in labels.items() if found != {concept}]


def _rivals(names: list[str], items: list[Item]) -> torch.Tensor:
    """Two names are rivals unless they share a concept and never stand in the same data set."""
    concepts: dict[str, str] = {}
    archives: dict[str, set[str]] = {name: set() for name in names}
    for item in items:
        if item.name in archives:
            concepts[item.name] = item.concept
            archives[item.name].add(item.archive)
    rivals = torch.ones(len(names), len(names), dtype=torch.bool)
    for i, one in enumerate(names):
        for j, other in enumerate(names):
            alike = i != j and concepts.get(one, one) == concepts.get(other, other)
            rivals[i, j] = not (alike and not archives[one] & archives[other])
    return rivals
