"""What was acknowledged survives `kill -9` at any moment.

SENSORIUM_CRASHES sets the number of kills, SENSORIUM_CRASH_SEED when they come.
"""

import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

from index import Store
from tests.index_crash_writer import FLAT_LIMIT, MODALITIES, NAMES, WRITERS, change, stored
from tests.index_samples import MODEL, assert_picture_is_true

CRASHES = int(os.environ.get("SENSORIUM_CRASHES", "6"))
SEED = int(os.environ.get("SENSORIUM_CRASH_SEED", "0"))
MOMENTS = {"opening": (0, 0.1), "open": (60, 0.02)}
"""What the child says before it is killed; how many lines more and how long after those [s] at most."""


def run_and_kill(moment: str, chance: random.Random, *words: object) -> list[str]:
    """Let writers go on, kill them a while after they said `moment`, give what they told."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.index_crash_writer", *map(str, words)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
    ) as child:
        told = []
        lines, seconds = MOMENTS[moment]
        more = chance.randint(0, lines)
        while f"{moment}\n" not in told or len(told) - told.index(f"{moment}\n") <= more:
            told.append(child.stdout.readline())
            assert told[-1], "the writers ended by themselves"
        time.sleep(chance.uniform(0, seconds))
        child.kill()
        told += child.stdout
    assert child.returncode == -9, "the writers ended by themselves"
    return [line.strip() for line in told if line.endswith("\n")]


def numbers(told: list[str], word: str) -> list[int]:
    return [int(line.split()[1]) for line in told if line.split()[0] == word]


def after(state: dict[int, int], number: int) -> dict[int, int]:
    """The state (item -> number of the change that stored it) that change `number` leaves."""
    kind, names = change(number)
    if kind == "upsert":
        return state | dict.fromkeys(names, number)
    return {name: stored_by for name, stored_by in state.items() if name not in names}


def held(things) -> dict[int, int]:
    """The state a collection holds, after checking that every item is whole."""
    state = {}
    for one in things.page(10 * NAMES).items:
        name, number = int(one.id.removeprefix("item-")), one.metadata["number"]
        assert name not in state
        expected = stored(name, number)
        modality, vectors = things.vectors(one.id)
        assert modality == one.modality == expected.modality
        np.testing.assert_allclose(vectors, np.stack([row.vector for row in expected.rows]), atol=1e-6)
        assert things.media(one.id)[0] == expected.media
        state[name] = number
    return state


def of_writer(state: dict[int, int], writer: int) -> dict[int, int]:
    return {name: number for name, number in state.items() if name % WRITERS == writer}


def assert_found(things, state: dict[int, int]) -> None:
    """Searches find exactly the items of the state."""
    query = np.ones(MODEL["dimension"])
    for modality in MODALITIES:
        expected = [f"item-{n}" for n, by in state.items() if stored(n, by).modality == modality]
        hits = things.search(query, limit=10 * NAMES, modalities=[modality])
        assert sorted(hit.id for hit in hits) == sorted(expected)
    files = {path.name for path in (things.folder / "media").glob("*/*")}
    assert len(files) == len({stored(n, by).media for n, by in state.items()})


def assert_backups_are_whole(backups: Path, histories: list[list[dict[int, int]]]) -> int:
    """Every backup that is there opens and holds states the collection once had; says how many."""
    whole = 0
    for folder in backups.iterdir():
        if (folder / "collections").exists():
            with Store.open(folder, flat_limit=FLAT_LIMIT) as store:
                assert store.damaged() == {}
                found = {things.name: held(things) for things in store.list()}
            for writer, states in enumerate(histories):
                assert of_writer(found.get("things", {}), writer) in states
            whole += 1
    shutil.rmtree(backups)
    return whole


def check_extras(store: Store, told: list[str], first: int) -> int:
    """Made collections are there with their item, dropped ones are not; says the next unused number."""
    there = {things.name: things for things in store.list() if things.name != "things"}
    made, maybe, dropped = (numbers(told, word) for word in ("made", "drop", "dropped"))
    assert {f"extra-{number}" for number in set(made) - set(maybe)} <= there.keys()
    assert not there.keys() & {f"extra-{number}" for number in dropped}
    following = max([first - 1, *made]) + 1
    assert there.keys() <= {f"extra-{number}" for number in (following - 1, following)}
    for name, things in there.items():
        number = int(name.removeprefix("extra-"))
        assert held(things) in ([{0: number}] if number in made else [{}, {0: number}])
        store.drop(name)
    return following + 1


def histories_of(state: dict[int, int], told: list[str]) -> tuple[list[list[dict[int, int]]], list[int]]:
    """For each writer all states it may have left, in order, and how many changes were acknowledged."""
    histories = [[of_writer(state, writer)] for writer in range(WRITERS)]
    for number in numbers(told, "begin"):
        history = histories[number % WRITERS]
        history.append(after(history[-1], number))
    done = Counter(number % WRITERS for number in numbers(told, "done"))
    return histories, [done[writer] for writer in range(WRITERS)]


def test_nothing_acknowledged_is_lost_by_kill_9(tmp_path):
    """After each kill: every acknowledged change, nothing back or twice, the last one whole or not at all."""
    chance = random.Random(SEED)
    folder, backups = tmp_path / "data", tmp_path / "backups"
    state: dict[int, int] = {}
    following, extra = list(range(WRITERS)), 0
    totals: Counter[str] = Counter()
    for _ in range(CRASHES):
        backups.mkdir()
        moment = chance.choices(list(MOMENTS), [1, 3])[0]
        told = run_and_kill(moment, chance, folder, backups, extra, *following)
        assert not [line for line in told if line.startswith("broken")]
        histories, done = histories_of(state, told)
        copies = assert_backups_are_whole(backups, histories)
        assert copies >= sum(line.startswith("copied") for line in told)
        with Store.open(folder, flat_limit=chance.choice([FLAT_LIMIT, 10_000])) as store:
            assert store.damaged() == {}
            things = store.create("things", **MODEL)[0]
            state = held(things)
            for writer, history in enumerate(histories):
                assert of_writer(state, writer) in history[done[writer] :]
            assert_picture_is_true(things)
            assert_found(things, state)
            extra = check_extras(store, told, extra)
        for number in numbers(told, "begin"):
            following[number % WRITERS] = number + WRITERS
        totals.update({f"kills after {moment!r}": 1, "acknowledged changes": sum(done)})
        totals.update({"whole backups": copies, "collections made": len(numbers(told, "made"))})
    print(f"{CRASHES} kills, seed {SEED}, nothing lost: {dict(totals)}")  # noqa: T201 - `make crash` shows it
    assert totals["acknowledged changes"] > CRASHES
