"""Many threads on one collection."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from index import Item, Row, building
from index.gate import Gate
from tests.index_samples import assert_picture_is_true, collection_in, item, vector


@pytest.fixture
def things(tmp_path):
    store, collection = collection_in(tmp_path)
    yield collection
    store.close()


def version_vector(number, version):
    """A unit vector that tells which item and which version it was stored for."""
    return vector(number * 1000 + version)


def test_every_hit_is_whole_while_others_write(things):
    """Vector, metadata and score of a hit belong to one version of one item, and no item is missing."""
    names = [f"i{n:02d}" for n in range(40)]
    things.upsert([item(name, n * 1000, metadata={"n": n, "version": 0}) for n, name in enumerate(names)])
    stop = threading.Event()
    rng = np.random.default_rng(0)
    choices = rng.integers(0, 40, size=(4, 30))

    def write(worker):
        for step, n in enumerate(choices[worker]):
            version = worker * 100 + step + 1
            metadata = {"n": int(n), "version": version}
            things.upsert([item(names[n], int(n) * 1000 + version, "image", metadata=metadata)])
        return len(choices[worker])

    def search(seed):
        rounds = 0
        query = vector(seed)
        while not stop.is_set() or not rounds:
            hits = things.search(query, limit=100, calibrate=False)
            assert sorted(hit.id for hit in hits) == names
            for hit in hits:
                stored = version_vector(hit.metadata["n"], hit.metadata["version"])
                assert names[hit.metadata["n"]] == hit.id
                np.testing.assert_allclose(hit.vector, stored, atol=1e-6)
                assert abs(hit.score - float(stored @ query)) < 1e-5
            rounds += 1
        return rounds

    with ThreadPoolExecutor(7) as pool:
        searches = [pool.submit(search, seed) for seed in (7777, 8888, 9999)]
        writes = [pool.submit(write, worker) for worker in range(4)]
        try:
            assert sum(one.result() for one in writes) == 120
        finally:
            stop.set()
        assert all(one.result() > 0 for one in searches)
    assert_picture_is_true(things)


def test_the_deleted_never_come_back_while_shelves_are_built(tmp_path, monkeypatch):
    """Whoever searches after a deletion was acknowledged never sees it; nothing else is missing or torn."""
    monkeypatch.setattr(building, "QUERIES", 8)
    store, things = collection_in(tmp_path, flat_limit=40)
    kept = {f"kept-{n}" for n in range(60)}
    things.upsert([item(name, n, metadata={"seed": n}) for n, name in enumerate(sorted(kept))])
    deleted, stop = set(), threading.Event()
    versions = {seed: vector(seed) for seed in (*range(60), *range(1000, 1200))}

    def write():
        for step in range(12):
            names = [f"gone-{step}-{n}" for n in range(6)]
            seeds = range(1000 + 10 * step, 1006 + 10 * step)
            things.upsert([item(name, s, metadata={"seed": s}) for name, s in zip(names, seeds, strict=True)])
            things.delete(names)
            deleted.update(names)

    def search(seed):
        while not stop.is_set():
            before = set(deleted)
            hits = things.search(vector(seed), limit=1000, calibrate=False)
            found = {hit.id for hit in hits}
            assert len(found) == len(hits)
            assert kept <= found
            assert not found & before
            for hit in hits:
                np.testing.assert_allclose(hit.vector, versions[hit.metadata["seed"]], atol=1e-6)
            time.sleep(0.01)

    with ThreadPoolExecutor(3) as pool:
        searches = [pool.submit(search, seed) for seed in (1, 2)]
        try:
            pool.submit(write).result()
        finally:
            stop.set()
        for one in searches:
            one.result()
    things.wait_for_growth()
    assert things.info().shelves["image"].structure != "flat"
    store.close()
    store, things = collection_in(tmp_path, flat_limit=40)
    assert {hit.id for hit in things.search(vector(3), limit=1000)} == kept
    things.upsert([item(name, 5) for name in ("gone-0-0", "new")])
    assert {hit.id for hit in things.search(vector(3), limit=1000)} == {*kept, "gone-0-0", "new"}
    assert_picture_is_true(things)
    store.close()


def test_two_threads_upserting_one_id_leave_one_of_them_whole(things):
    """The last commit wins as a whole: vectors, metadata and media of the same call."""

    def store(worker):
        for step in range(20):
            seed = worker * 100 + step
            rows = tuple(Row(vector(seed)) for _ in range(worker + 1))
            things.upsert([Item("same", "image", rows, {"seed": seed}, media=str(seed).encode())])

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(store, worker) for worker in range(2)]:
            done.result()
    seed = things.get("same").metadata["seed"]
    _, vectors = things.vectors("same")
    assert seed in (19, 119)
    np.testing.assert_allclose(vectors, np.stack([vector(seed)] * (seed // 100 + 1)), atol=1e-7)
    assert things.media("same")[0] == str(seed).encode()
    assert len(list((things.folder / "media").glob("*/*"))) == 1
    assert_picture_is_true(things)


def test_reading_and_deleting_media_at_once_never_shows_half_a_file(things):
    """A reader gets one whole version."""
    contents = [bytes([i]) * 100_000 for i in range(2)]
    things.upsert([item("a", media=contents[0])])
    stop = threading.Event()

    def write():
        for step in range(60):
            things.upsert([item("a", media=contents[(step + 1) % 2])])
        stop.set()

    with ThreadPoolExecutor(2) as pool:
        writing = pool.submit(write)
        while not stop.is_set():
            assert things.media("a")[0] in contents
            if writing.done():
                break
        writing.result()


def test_closing_waits_for_those_inside(tmp_path):
    """Threads either finish or are told that the collection is closed; nothing else happens to them."""
    store, things = collection_in(tmp_path)
    things.upsert([item(f"i{i}", i) for i in range(50)])
    outcomes = []
    started = threading.Barrier(5)

    def work(seed):
        started.wait()
        try:
            for step in range(10_000):
                if seed % 2:
                    things.search(vector(step), limit=5)
                else:
                    things.upsert([item(f"n{seed}", step)])
        except Exception as error:  # noqa: BLE001 - any other kind is what the test looks for
            outcomes.append(getattr(error, "code", repr(error)))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    started.wait()
    time.sleep(0.1)
    store.close()
    for thread in threads:
        thread.join()
    assert outcomes == ["closed"] * 4


def test_readers_are_inside_together_and_a_writer_alone():
    """Two readers meet inside; a writer never meets anybody."""
    gate = Gate()
    both = threading.Barrier(2, timeout=30)
    inside, seen = [], []

    def read():
        with gate.reading():
            both.wait()
        for _ in range(300):
            with gate.reading():
                inside.append(1)
                seen.append(("reader", "writer" in inside))
                inside.remove(1)

    def write():
        for _ in range(300):
            with gate.writing():
                seen.append(("writer", bool(inside)))
                inside.append("writer")
                time.sleep(0)
                inside.remove("writer")

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(work) for work in (read, read, write, write)]:
            done.result()
    assert len(seen) == 1200
    assert not any(met for _, met in seen)


def test_neither_readers_nor_writers_starve():
    """With readers always inside a writer still gets in, and with writers always waiting a reader does."""
    gate = Gate()
    stop = threading.Event()
    entered = {"reading": threading.Event(), "writing": threading.Event()}

    def crowd(way):
        while not stop.is_set():
            with getattr(gate, way)():
                time.sleep(0.001)

    for crowded, alone in (("reading", "writing"), ("writing", "reading")):
        stop.clear()

        def enter(way=alone):
            with getattr(gate, way)():
                entered[way].set()

        with ThreadPoolExecutor(6) as pool:
            several = [pool.submit(crowd, crowded) for _ in range(5)]
            one = pool.submit(enter)
            came_in = entered[alone].wait(30)
            stop.set()
            for done in [*several, one]:
                done.result()
        assert came_in
