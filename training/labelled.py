"""Batches of labelled items, the rare names drawn more often than their share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields

import torch

from training.index import Item
from training.space import Space


@dataclass(frozen=True)
class Batch:
    """`inputs` (n, *shape); columns of `names`, `concepts`, `partners`, `classes`, (n,) each, -1 = none."""

    inputs: torch.Tensor
    names: torch.Tensor
    concepts: torch.Tensor
    partners: torch.Tensor
    classes: torch.Tensor

    def to(self, device: str) -> Batch:
        return Batch(*(getattr(self, each.name).to(device) for each in fields(self)))


class Columns:
    """Where each item stands in the space: `names`, `concepts`, `partners`, `classes`, each int64 (items,).

    A class is a label of one data set; `together`: bool (classes, classes), True within a data set;
    `class_names`: int64 (classes,), the column of each class' name.
    """

    def __init__(self, items: list[Item], space: Space, partner: Mapping[str, int] | None = None) -> None:
        partner = partner or {}
        self.items = items
        self.names = torch.tensor([space.name_column(item) for item in items])
        self.concepts = torch.tensor([space.concept_column(item) for item in items])
        self.partners = torch.tensor([partner.get(item.pair_id, -1) for item in items])
        labels = [(item.archive, item.label) for item in items]
        classes = sorted({pair for pair in labels if pair[1] and "|" not in pair[1]})
        column = {pair: place for place, pair in enumerate(classes)}
        self.classes = torch.tensor([column.get(pair, -1) for pair in labels])
        self.class_names = torch.tensor([space.names.index(label) for _, label in classes])
        archives = [archive for archive, _ in classes]
        self.together = torch.tensor([[one == other for other in archives] for one in archives])

    def batch(self, inputs: torch.Tensor, rows: torch.Tensor) -> Batch:
        columns = (self.names, self.concepts, self.partners, self.classes)
        return Batch(inputs, *(column[rows] for column in columns))


def rarity_weights(items: list[Item], shares: Mapping[str, float]) -> torch.Tensor:
    """(items,): 1 / sqrt(count of the item's label), scaled so that each archive gets its share."""
    counts = Counter((item.archive, item.label) for item in items)
    weights = torch.tensor([counts[item.archive, item.label] ** -0.5 for item in items])
    for archive, share in shares.items():
        inside = torch.tensor([item.archive == archive for item in items], dtype=torch.bool)
        weights[inside] *= share / weights[inside].sum()
    return weights
