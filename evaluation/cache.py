"""Embedded sets kept on disk between runs, one file per set."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from evaluation.items import Item
from evaluation.metrics import Float32
from evaluation.variants import Variant
from models.embedder import Embedder

Embedded = tuple[dict[Item, Float32], dict[Item, str]]


class Cache:
    """Vectors by model identity (weights and preprocessing), precision, variant and list of files.

    A file counts with its path, size and time of change, so that an exchanged file is embedded again.
    """

    def __init__(self, folder: Path, embedder: Embedder) -> None:
        self.folder = folder
        self.model = f"{embedder.identity} {embedder.precision}"

    def path(self, items: Sequence[Item], variant: Variant) -> Path:
        modality = items[0].modality
        steps = variant.name if modality in variant.modalities else ""
        digest = hashlib.sha256(f"{self.model}\n{modality}\n{steps}".encode())
        stamps: dict[Path, str] = {}
        for item in items:
            if item.file is not None and item.file not in stamps:
                stamps[item.file] = _stamp(item.file)
            digest.update(f"\0{item.key}\0{stamps[item.file] if item.file else ''}".encode())
        return self.folder / f"{modality}-{digest.hexdigest()[:32]}.npz"

    def read(self, items: Sequence[Item], variant: Variant) -> Embedded | None:
        """None where nothing is kept. No pickles are read."""
        path = self.path(items, variant)
        if not path.exists():
            return None
        with np.load(path) as kept:
            vectors, places, reasons = kept["vectors"], kept["places"].tolist(), kept["reasons"].tolist()
        known = {items[place]: row for place, row in zip(places, vectors, strict=True)}
        without = [item for item in items if item not in known]
        return known, dict(zip(without, reasons, strict=True))

    def write(
        self,
        items: Sequence[Item],
        variant: Variant,
        known: Mapping[Item, Float32],
        failed: Mapping[Item, str],
    ) -> None:
        """Whole or not at all: written beside and renamed."""
        path = self.path(items, variant)
        path.parent.mkdir(parents=True, exist_ok=True)
        places = [place for place, item in enumerate(items) if item in known]
        beside = path.with_suffix(f".{os.getpid()}.npz")
        np.savez(
            beside,
            vectors=np.array([known[items[place]] for place in places], np.float32),
            places=np.array(places, np.int64),
            reasons=np.array([failed[item] for item in items if item in failed], np.str_),
        )
        beside.replace(path)


def _stamp(path: Path) -> str:
    try:
        known = path.stat()
    except OSError:
        return "absent"
    return f"{known.st_size} {known.st_mtime_ns}"
