"""What was acknowledged survives `kill -9` at any moment. SENSORIUM_CRASHES sets the number of kills."""

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from index import Store
from tests.index_crash_writer import FLAT_LIMIT, MODALITIES, NAMES, change, stored
from tests.index_samples import MODEL, assert_picture_is_true

CRASHES = int(os.environ.get("SENSORIUM_CRASHES", "10"))
LONGEST_RUN_S = 1.0


def run_and_kill(folder: Path, backups: Path, number: int, chance: random.Random) -> list[str]:
    """Let a writer go on from change `number`, kill it while it starts or works, give what it told."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.index_crash_writer", str(folder), str(backups), str(number)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
    ) as child:
        told = [child.stdout.readline()] if chance.random() < 0.7 else []
        time.sleep(chance.uniform(0, LONGEST_RUN_S))
        child.kill()
        told += child.stdout
    assert child.returncode == -9, "the writer ended by itself"
    return [line.strip() for line in told if line.endswith("\n")]


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


def assert_found(things, state: dict[int, int]) -> None:
    """Searches find exactly the items of the state."""
    query = np.ones(MODEL["dimension"])
    for modality in MODALITIES:
        expected = [f"item-{n}" for n, by in state.items() if stored(n, by).modality == modality]
        hits = things.search(query, limit=10 * NAMES, modalities=[modality])
        assert sorted(hit.id for hit in hits) == sorted(expected)
    files = {path.name for path in (things.folder / "media").glob("*/*")}
    assert len(files) == len({stored(n, by).media for n, by in state.items()})


def assert_backups_are_whole(backups: Path, states: list[dict[int, int]]) -> int:
    """Every backup that is there opens and holds a state the collection once had; says how many."""
    whole = 0
    for folder in backups.iterdir():
        if (folder / "collections").exists():
            with Store.open(folder, flat_limit=FLAT_LIMIT) as store:
                found = [held(things) for things in store.list()]
            assert all(state in states for state in found)
            whole += 1
    shutil.rmtree(backups)
    return whole


def test_nothing_acknowledged_is_lost_by_kill_9(tmp_path):
    """After each kill: every acknowledged change, nothing back or twice, the last one whole or not at all."""
    chance = random.Random(0)
    folder, backups = tmp_path / "data", tmp_path / "backups"
    state: dict[int, int] = {}
    number = acknowledged = 0
    for _ in range(CRASHES):
        backups.mkdir()
        told = run_and_kill(folder, backups, number, chance)
        assert not [line for line in told if line.startswith("broken")]
        done = [int(line.split()[1]) for line in told if line.startswith("done")]
        begun = [int(line.split()[1]) for line in told if line.startswith("begin")]
        states = [state]
        for one in begun:
            states.append(after(states[-1], one))
        acknowledged += len(done)
        assert assert_backups_are_whole(backups, states) >= sum(line.startswith("copied") for line in told)
        with Store.open(folder, flat_limit=chance.choice([FLAT_LIMIT, 10_000])) as store:
            things = store.create("things", **MODEL)[0]
            found = held(things)
            assert found in states[len(done) :]
            assert_picture_is_true(things)
            assert_found(things, found)
        state, number = found, max([number - 1, *begun]) + 1
    assert acknowledged > CRASHES
