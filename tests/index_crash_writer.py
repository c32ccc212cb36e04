"""The child of the crash test: changes a collection at full speed and tells each change before and after it.

Run as `python -m tests.index_crash_writer FOLDER NUMBER`, the number of its first change. What a change does
follows from its number alone, so the parent can say what the collection has to hold.
"""

import sys
from pathlib import Path

import numpy as np

from index import Item, Row, Store, shelves
from tests.index_samples import MODEL, vector

NAMES = 60
MODALITIES = ("image", "text")


def change(number: int) -> tuple[str, list[int]]:
    """What change `number` does and to which items: mostly upserts, by ones or as a batch, else deletes."""
    rng = np.random.default_rng(number)
    kind = "upsert" if rng.random() < 0.7 else "delete"
    return kind, rng.choice(NAMES, size=rng.integers(1, 8), replace=False).tolist()


def stored(name: int, number: int) -> Item:
    """Item `name` as change `number` stores it; every part of it tells the number."""
    rows = tuple(Row(vector(number * 10 + row)) for row in range(1 + (name + number) % 3))
    return Item(
        f"item-{name}",
        MODALITIES[(name + number) % 2],
        rows,
        {"number": number},
        media=f"media of {number if number % 3 else name}".encode(),
    )


def main(folder: Path, number: int) -> None:
    shelves.SAVE_ROWS = 40
    with Store.open(folder) as store:
        things, _ = store.create("things", **MODEL)
        while True:
            kind, names = change(number)
            sys.stdout.write(f"begin {number}\n")
            sys.stdout.flush()
            if kind == "upsert":
                things.upsert([stored(name, number) for name in names])
            else:
                things.delete([f"item-{name}" for name in names])
            sys.stdout.write(f"done {number}\n")
            sys.stdout.flush()
            number += 1


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
