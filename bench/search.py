"""A collection's search (SQLite, ids, metadata, calibration) against bare FAISS over the same vectors."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import faiss
import numpy as np

from bench.pairs import Comparison, compare
from index import Item, Row, Store

VECTORS = 20_000
DIM = 384
QUERIES = 100
LIMIT = 10


def comparisons() -> Iterator[Comparison]:
    random = np.random.default_rng(0)
    vectors = random.standard_normal((VECTORS, DIM), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    queries = vectors[:QUERIES] + 0.1
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(folder))
        collection, _ = store.create("bench", model="random", identity="random", dimension=DIM)
        items = [Item(str(number), "image", (Row(row),), {}) for number, row in enumerate(vectors)]
        collection.upsert(items)
        bare = faiss.IndexFlatIP(DIM)
        bare.add(vectors)
        yield compare(
            f"search, {QUERIES} queries of {VECTORS} x {DIM}",
            lambda: [collection.search(query, limit=LIMIT) for query in queries],
            "bare FAISS flat",
            lambda: [bare.search(query[None], LIMIT) for query in queries],
        )
        store.close()
