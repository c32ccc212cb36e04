"""Small collections for the tests of `index`."""

from pathlib import Path

import numpy as np

from index import Collection, Item, Row, Store

DIMENSION = 8
MODEL = {"model": "test-model", "identity": "identity-1", "dimension": DIMENSION}


def vector(seed: int) -> np.ndarray:
    """A unit vector, always the same for the same seed."""
    values = np.random.default_rng(seed).normal(size=DIMENSION)
    return (values / np.linalg.norm(values)).astype(np.float32)


def item(identifier: str, seed: int = 0, modality: str = "image", **more: object) -> Item:
    return Item(identifier, modality, (Row(vector(seed)),), **more)


def collection_in(folder: Path) -> tuple[Store, Collection]:
    store = Store.open(folder)
    return store, store.create("things", **MODEL)[0]


def assert_picture_is_true(collection: Collection) -> None:
    """The shelves hold exactly the rows of SQLite, with the same vectors."""
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
            vectors = shelf.vectors(rows)
            picture[modality] = {
                row: found.tobytes() for row, found in zip(rows.tolist(), vectors, strict=True)
            }
    assert picture == truth
