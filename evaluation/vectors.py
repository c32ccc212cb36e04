"""Embeds items batch by batch: at no time are more than two batches decoded in memory."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from rich.progress import Progress

from evaluation.cache import Cache
from evaluation.errors import EvaluationError
from evaluation.items import Item, text_item
from evaluation.metrics import Float32
from evaluation.variants import PLAIN, Variant
from models.embedder import Embedder, Views
from models.errors import SensoriumError

BATCH = 32  # items decoded, then encoded together


class Vectors:
    """The vectors of items, each embedded once; what cannot be used stands in `failed` with the reason."""

    def __init__(
        self, embedder: Embedder, progress: Progress, *, cache: Path | None = None, workers: int = 1
    ) -> None:
        self.embedder = embedder
        self.failed: dict[Item, str] = {}
        self._progress = progress
        self._cache = Cache(cache, embedder) if cache else None
        self._workers = workers
        self._known: dict[Item, Float32] = {}
        self.variant = PLAIN

    def use(self, variant: Variant) -> None:
        """Prepare otherwise from now on; what the change touches is forgotten."""
        touched = variant.modalities | self.variant.modalities
        self._known = {item: z for item, z in self._known.items() if item.modality not in touched}
        self.failed = {item: why for item, why in self.failed.items() if item.modality not in touched}
        self.variant = variant

    def of(self, items: Sequence[Item]) -> tuple[Float32, list[int]]:
        """Unit vectors (kept, dim) of the items that can be used, and their places in `items`."""
        new = [item for item in dict.fromkeys(items) if item not in self._known and item not in self.failed]
        for modality in dict.fromkeys(item.modality for item in new):
            self._embed(modality, [item for item in new if item.modality == modality])
        kept = [place for place, item in enumerate(items) if item in self._known]
        if not kept:
            return np.empty((0, self.embedder.dim), np.float32), []
        return np.stack([self._known[items[place]] for place in kept]), kept

    def say(self, texts: Sequence[str]) -> Float32:
        """Unit vectors (n, dim) of sentences. Raises EvaluationError for one that cannot be used."""
        items = [text_item(text) for text in texts]
        rows, kept = self.of(items)
        if len(kept) < len(items):
            item, why = next((item, self.failed[item]) for item in items if item in self.failed)
            raise EvaluationError(f"the sentence {item.key!r} cannot be used: {why}")
        return rows

    def _embed(self, modality: str, items: list[Item]) -> None:
        stored = self._cache.read(items, self.variant) if self._cache else None
        known, failed = stored or self._computed(modality, items)
        if self._cache and not stored:
            self._cache.write(items, self.variant, known, failed)
        self._known |= known
        self.failed |= failed

    def _computed(self, modality: str, items: list[Item]) -> tuple[dict[Item, Float32], dict[Item, str]]:
        known: dict[Item, Float32] = {}
        failed: dict[Item, str] = {}
        batches = [items[start : start + BATCH] for start in range(0, len(items), BATCH)]
        task = self._progress.add_task(modality, total=len(items))
        with ThreadPoolExecutor(self._workers) as pool:
            coming = [pool.submit(self._prepared, item) for item in batches[0]]
            for number, batch in enumerate(batches):
                ready, coming = coming, []
                if number + 1 < len(batches):
                    coming = [pool.submit(self._prepared, item) for item in batches[number + 1]]
                self._encode(modality, batch, ready, known, failed)
                self._progress.advance(task, len(batch))
        self._progress.remove_task(task)
        return known, failed

    def _encode(
        self,
        modality: str,
        batch: Sequence[Item],
        ready: Sequence[Future[Views | str]],
        known: dict[Item, Float32],
        failed: dict[Item, str],
    ) -> None:
        results = [(item, future.result()) for item, future in zip(batch, ready, strict=True)]
        failed |= {item: result for item, result in results if isinstance(result, str)}
        usable = [(item, result) for item, result in results if isinstance(result, Views)]
        rows = self.embedder.encode(modality, [views for _, views in usable])
        known |= {item: row for (item, _), row in zip(usable, rows, strict=True)}

    def _prepared(self, item: Item) -> Views | str:
        """Views, or why there are none."""
        try:
            sample = self.variant.on_sample(item.modality, item.read())
            views = self.embedder.prepare(item.modality, sample)
        except (SensoriumError, OSError) as error:
            return str(error)
        return self.variant.on_views(item.modality, views)
