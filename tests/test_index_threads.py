"""Many threads on one collection."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from index import Item, Row
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
