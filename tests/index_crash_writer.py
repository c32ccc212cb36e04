"""The child of the crash test: changes collections at full speed and tells each change before and after it.

Run as `python -m tests.index_crash_writer FOLDER BACKUPS EXTRA NUMBER NUMBER`: the number of its first extra
collection and those of the first changes of its writers. What a change does follows from its number alone, so
the parent can say what the collection has to hold. Meanwhile shelves are saved and built anew all the time,
one backup is made after the other, collections come and go, and searches look for torn results.
"""

import itertools
import os
import sys
import threading
import time
from pathlib import Path

import numpy as np

from index import Collection, Item, Row, Store, building, shelves
from index.backup import back_up
from tests.index_samples import MODEL, vector

WRITERS = 2
NAMES = 60
MODALITIES = ("image", "text")
FLAT_LIMIT = 30


def change(number: int) -> tuple[str, list[int]]:
    """What change `number` does and to which items of its writer: mostly upserts, by ones or several."""
    rng = np.random.default_rng(number)
    kind = "upsert" if rng.random() < 0.7 else "delete"
    own = range(number % WRITERS, NAMES, WRITERS)
    return kind, rng.choice(own, size=rng.integers(1, 8), replace=False).tolist()


def stored(name: int, number: int) -> Item:
    """Item `name` as change `number` stores it; every part of it tells the number. Some media are shared."""
    rows = tuple(Row(vector(number * 10 + row)) for row in range(1 + (name + number) % 3))
    return Item(
        f"item-{name}",
        MODALITIES[(name + number) % 2],
        rows,
        {"number": number},
        media=f"media of {number}".encode() if number % 3 else f"shared by {name % 5}".encode(),
        params={"number": number},
    )


def tell(line: str) -> None:
    os.write(1, f"{line}\n".encode())


def write(things: Collection, number: int) -> None:
    while True:
        kind, names = change(number)
        tell(f"begin {number}")
        if kind == "upsert":
            things.upsert([stored(name, number) for name in names])
        else:
            things.delete([f"item-{name}" for name in names])
        tell(f"done {number}")
        number += WRITERS


def search(things: Collection) -> None:
    """Whatever is found is of one version of one item."""
    for seed in itertools.count():
        query = vector(seed)
        for hit in things.search(query, limit=2 * NAMES, calibrate=False):
            item = stored(int(hit.id.removeprefix("item-")), hit.metadata["number"])
            near = [row for row in item.rows if abs(float(row.vector @ query) - hit.score) < 1e-5]
            if hit.modality != item.modality or not any(np.allclose(r.vector, hit.vector) for r in near):
                tell(f"broken {hit}")
        time.sleep(0.005)


def keep_copying(store: Store, folder: Path, backups: Path) -> None:
    """By the store itself, and as another process would."""
    for number in itertools.count():
        target = backups / str(number)
        told = store.backup(target) if number % 2 else back_up(folder, target)
        tell(f"broken {told.faults}" if told.faults else f"copied {number}")


def make_and_drop(store: Store, number: int) -> None:
    """Each of these collections holds one item when it is said to be made."""
    while True:
        made, _ = store.create(f"extra-{number}", **MODEL)
        made.upsert([stored(0, number)])
        tell(f"made {number}")
        tell(f"drop {number}")
        store.drop(f"extra-{number}")
        tell(f"dropped {number}")
        number += 1


def telling(work, *words: object) -> threading.Thread:
    """A thread whose end, whatever it is, the parent has to know."""

    def run() -> None:
        try:
            work(*words)
        except BaseException as error:  # noqa: BLE001 - see above
            tell(f"broken {error!r}")

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def main(folder: Path, backups: Path, extra: int, *numbers: int) -> None:
    shelves.SAVE_ROWS = 40
    building.QUERIES = 8
    tell("opening")
    with Store.open(folder, flat_limit=FLAT_LIMIT) as store:
        things, _ = store.create("things", **MODEL)
        tell("open")
        threads = [telling(write, things, number) for number in numbers]
        threads += [telling(search, things), telling(keep_copying, store, folder, backups)]
        threads += [telling(make_and_drop, store, extra)]
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:]))
