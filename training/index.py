"""The list of training material: `index.csv` of the data folder."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Item:
    """One row: a picture, sound, movement ... and what it shows."""

    modality: str
    archive: str  # path below the data folder
    file: str  # member of a zip, or row number of an npz
    split: str  # train or val
    label: str  # plain English; several joined by "|"; empty = nothing named
    concept: str  # the name shared by the data sets
    pair_id: str  # the same in both pictures of a pair

    @property
    def name(self) -> str:
        """What to call it: "dog", "dog and person"; empty where nothing or more than two are named."""
        labels = self.label.split("|")
        return " and ".join(labels) if len(labels) <= 2 else ""


def read_index(data: Path) -> list[Item]:
    """All rows with media; captions are read apart. Several captions of a picture give one item."""
    with (data / "index.csv").open(newline="", encoding="utf-8") as file:
        rows = [Item(*(row[key] for key in Item.__dataclass_fields__)) for row in csv.DictReader(file)]
    return [row for row in rows if row.modality != "text"]


def split_of(items: list[Item], modality: str, split: str) -> list[Item]:
    return [item for item in items if item.modality == modality and item.split == split]


def read_captions(data: Path) -> list[dict[str, str]]:
    """The caption rows of paired pictures: pair_id, caption, split."""
    with (data / "index.csv").open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["modality"] == "text" and row["pair_id"]]


def names_by_modality(items: list[Item]) -> dict[str, list[str]]:
    """The names met in every modality, in that order."""
    found: dict[str, dict[str, None]] = {}
    for item in items:
        if item.name:
            found.setdefault(item.modality, {})[item.name] = None
    return {modality: list(names) for modality, names in found.items()}
