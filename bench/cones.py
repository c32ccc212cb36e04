"""Vectors as of two modalities: the same meanings in two cones, with a gap between them."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np

COUNT = 10
LATENT = 128
AT_A_TIME = 1_000
BLOCK = 50_000
DATA, QUERIES, NEAREST = "data.npy", "queries.npy", "nearest.npy"


def write(folder: Path, vectors: int, dim: int, queries: int) -> None:
    """Write data, shape (n, dim), queries, shape (q, dim), and the numbers of their ten nearest, (q, 10)."""
    random = np.random.default_rng(0)
    strengths = np.arange(1, LATENT + 1) ** -0.5
    spread = (random.normal(size=(LATENT, dim)) * strengths[:, None]).astype(np.float32)
    size = float(np.sqrt((spread**2).sum() / dim))
    cones = size * random.normal(size=(2, dim)).astype(np.float32)

    def unit(meanings: np.ndarray, cone: np.ndarray, noise: float) -> np.ndarray:
        own = noise * size * random.standard_normal((len(meanings), dim), np.float32)
        points = meanings @ spread + cone + own
        return points / np.linalg.norm(points, axis=1, keepdims=True)

    meanings = random.standard_normal((vectors, LATENT), np.float32)
    asked = unit(meanings[random.integers(vectors, size=queries)], cones[1], 0.5)
    data = np.lib.format.open_memmap(folder / DATA, "w+", np.float32, (vectors, dim))
    for start in range(0, vectors, AT_A_TIME):
        data[start : start + AT_A_TIME] = unit(meanings[start : start + AT_A_TIME], cones[0], 0.3)
    np.save(folder / QUERIES, asked)
    np.save(folder / NEAREST, nearest(data, asked))


def nearest(data: np.ndarray, queries: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
    """Numbers of the ten nearest of all data, or of these rows, shape (q, 10), by brute force."""
    rows = np.arange(len(data)) if rows is None else rows
    found = faiss.ResultHeap(len(queries), COUNT, keep_max=True)
    for start in range(0, len(rows), BLOCK):
        some = rows[start : start + BLOCK]
        scores, places = faiss.knn(queries, data[some], min(COUNT, len(some)), faiss.METRIC_INNER_PRODUCT)
        found.add_result(scores, some[places])
    found.finalize()
    return found.I
