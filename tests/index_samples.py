"""Small collections for the tests of `index`."""

from pathlib import Path

import numpy as np

from index import Collection, Item, Row, Store
from index.shelf import Shelf

DIMENSION = 8
MODEL = {"model": "test-model", "identity": "identity-1", "dimension": DIMENSION}


def vector(seed: int) -> np.ndarray:
    """A unit vector, always the same for the same seed."""
    values = np.random.default_rng(seed).normal(size=DIMENSION)
    return (values / np.linalg.norm(values)).astype(np.float32)


def item(identifier: str, seed: int = 0, modality: str = "image", **more: object) -> Item:
    return Item(identifier, modality, (Row(vector(seed)),), **more)


def collection_in(folder: Path, *, dimension: int = DIMENSION, **words: int) -> tuple[Store, Collection]:
    store = Store.open(folder, **words)
    return store, store.create("things", **{**MODEL, "dimension": dimension})[0]


def across_a_gap(count: int, dimension: int, queries: int = 100) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors that lie in a cone, and queries of the same meanings in another cone."""
    rng = np.random.default_rng(0)
    meanings = rng.normal(size=(count, dimension // 2)) @ rng.normal(size=(dimension // 2, dimension))
    meanings += rng.normal(size=meanings.shape)
    asked = meanings[rng.integers(count, size=queries)]
    asked += 0.5 * asked.std() * rng.normal(size=asked.shape)
    cones = [cloud + cloud.std() * rng.normal(size=dimension) for cloud in (meanings, asked)]
    return tuple((c / np.linalg.norm(c, axis=1, keepdims=True)).astype(np.float32) for c in cones)


def assert_picture_is_true(collection: Collection) -> None:
    """The shelves hold exactly the rows of SQLite, flat ones with the same vectors."""
    state = collection._state
    with state.reading() as connection:
        truth: dict[str, dict[int, bytes]] = {}
        for modality, row, blob in connection.execute(
            "SELECT modality, row, vector FROM items JOIN rows ON item = seq"
        ):
            truth.setdefault(modality, {})[row] = blob
        picture = {}
        for modality in state.shelves.lengths():
            shelf = state.shelves.get(modality)
            rows = shelf.rows()
            if isinstance(shelf, Shelf):
                blobs = [found.tobytes() for found in shelf.vectors(rows)]
            else:
                blobs = [truth[modality].get(row) for row in rows.tolist()]
            picture[modality] = dict(zip(rows.tolist(), blobs, strict=True))
    assert picture == truth
