"""The child of the crash test: changes a collection at full speed and tells each change before and after it.

Run as `python -m tests.index_crash_writer FOLDER BACKUPS NUMBER`, the number of its first change. What a
change does follows from its number alone, so the parent can say what the collection has to hold. Shelves are
saved and built anew all the time, and one backup is made after the other.
"""

import itertools
import sys
import threading
from pathlib import Path

import numpy as np

from index import Item, Row, Store, building, shelves
from tests.index_samples import MODEL, vector

NAMES = 60
MODALITIES = ("image", "text")
FLAT_LIMIT = 30


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


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def back_up(store: Store, folder: Path) -> None:
    for number in itertools.count():
        try:
            told = store.backup(folder / str(number))
        except Exception as error:  # noqa: BLE001 - whatever it is, the parent has to know
            tell(f"broken {error!r}")
            return
        tell(f"broken {told.faults}" if told.faults else f"copied {number}")


def main(folder: Path, backups: Path, number: int) -> None:
    shelves.SAVE_ROWS = 40
    building.QUERIES = 8
    with Store.open(folder, flat_limit=FLAT_LIMIT) as store:
        things, _ = store.create("things", **MODEL)
        threading.Thread(target=back_up, args=(store, backups), daemon=True).start()
        while True:
            kind, names = change(number)
            tell(f"begin {number}")
            if kind == "upsert":
                things.upsert([stored(name, number) for name in names])
            else:
                things.delete([f"item-{name}" for name in names])
            tell(f"done {number}")
            number += 1


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
