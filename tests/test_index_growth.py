"""Shelves that outgrow exact search: recall, filters, changes of structure while all goes on."""

import logging
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import faiss
import numpy as np
import pytest

from index import Item, Row, Store, compressed, effort, errors
from index.compressed import CompressedShelf
from tests.index_samples import MODEL, across_a_gap, assert_picture_is_true, collection_in

DIMENSION = 32
COUNT = 4000
FLAT_LIMIT = 500
COMPRESSED = CompressedShelf.structure
VECTORS, QUERIES = across_a_gap(COUNT, DIMENSION)


def items(numbers, modality="image"):
    return [
        Item(
            f"i{n}",
            modality,
            (Row(VECTORS[n]),),
            {"half": n % 2, "twentieth": n % 20, "thousandth": n % 1000},
        )
        for n in numbers
    ]


def nearest(query, numbers, count=10):
    """Ids of the nearest among these numbers, by brute force."""
    numbers = np.asarray(numbers)
    return {f"i{n}" for n in numbers[np.argsort(-(VECTORS[numbers] @ query), kind="stable")[:count]]}


def recall(things, numbers, **words):
    """Share of the ten nearest that searches find, over all queries."""
    found = [
        {hit.id for hit in things.search(query, limit=10, calibrate=False, **words)} for query in QUERIES
    ]
    truth = [nearest(query, numbers) for query in QUERIES]
    return np.mean([len(ids & true) / len(true) for ids, true in zip(found, truth, strict=True)])


def structure(things, modality="image"):
    return things.info().shelves[modality].structure


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A closed data folder with a compressed shelf of all vectors."""
    path = tmp_path_factory.mktemp("grown")
    store, things = collection_in(path, dimension=DIMENSION, flat_limit=FLAT_LIMIT)
    things.upsert(items(range(COUNT)))
    things.wait_for_growth()
    store.close()
    return path


@pytest.fixture(scope="module")
def grown(folder):
    """The same, open for reading."""
    store, things = collection_in(folder, dimension=DIMENSION, flat_limit=FLAT_LIMIT)
    yield things
    store.close()


@pytest.fixture
def growing(tmp_path):
    """An empty collection whose shelves are flat up to 500 vectors."""
    store, things = collection_in(tmp_path, dimension=DIMENSION, flat_limit=FLAT_LIMIT)
    yield things
    store.close()


@pytest.mark.parametrize("target", [0.90, 0.95, 0.99, 0.999])
def test_recall_is_kept_for_queries_of_another_modality(grown, target):
    """What is asked for is found, though the queries lie beyond a modality gap."""
    assert structure(grown) == COMPRESSED
    assert recall(grown, range(COUNT), recall=target) >= target - 0.01


def test_less_recall_takes_less_effort(grown):
    """Recall is a knob: it changes how many lists are looked into."""
    shelf = grown._state.shelves.get("image")
    low, high = (effort.choose(shelf.steps, target, 18, shelf.lists) for target in (0.90, 0.999))
    assert low.probes < high.probes


def test_recall_outside_its_range_is_refused(grown):
    """The message says what is accepted."""
    for value in (0.5, 1, True, "0.9"):
        with pytest.raises(errors.ParameterError, match=r"0\.9 to 0\.999"):
            grown.search(QUERIES[0], recall=value)


@pytest.mark.parametrize("few", [10, 2000])
@pytest.mark.parametrize(("key", "parts"), [("half", 2), ("twentieth", 20), ("thousandth", 1000)])
def test_recall_is_kept_under_filters(grown, monkeypatch, few, key, parts):
    """At 50 %, 5 % and 0.1 %, whether the rows that pass are searched for in the structure or compared."""
    monkeypatch.setattr(compressed, "FEW_ROWS", few)
    passing = range(1, COUNT, parts)
    assert recall(grown, passing, filter={"must": [{"key": key, "match": {"value": 1}}]}) >= 0.95


def test_many_excluded_items_are_made_up_for(grown):
    """Leaving out the very best goes on to the next ones."""
    for query in QUERIES[:20]:
        best = nearest(query, range(COUNT), 100)
        hits = grown.search(query, exclude=best, recall=0.999)
        assert len(hits) == 10
        assert not {hit.id for hit in hits} & best


def test_scores_are_exact_cosines(grown):
    """Codes only propose: what is shown was computed from the stored vectors."""
    for hit in grown.search(QUERIES[0], limit=20):
        assert hit.score == pytest.approx(float(VECTORS[int(hit.id[1:])] @ QUERIES[0]), abs=1e-6)
        np.testing.assert_allclose(hit.vector, VECTORS[int(hit.id[1:])], atol=1e-6)


def test_everything_is_found_when_everything_is_asked_for(grown):
    """A limit beyond the shelf gives all items in their exact order."""
    hits = grown.search(QUERIES[0], limit=10**6)
    assert len(hits) == COUNT
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_a_compressed_shelf_is_loaded_without_building(folder, tmp_path, caplog):
    """Steps, tombstones and codes come from the file, which FAISS itself reads too."""
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    with caplog.at_level(logging.INFO, "index"):
        store, things = collection_in(tmp_path, dimension=DIMENSION, flat_limit=FLAT_LIMIT)
        assert structure(things) == COMPRESSED
        store.close()
    assert caplog.records == []
    path = tmp_path / "collections" / "things" / "shelves" / "image.faiss"
    assert faiss.read_index(str(path)).ntotal == COUNT


def vector_files(folder):
    return list((folder / "collections" / "things" / "shelves").glob("*.vectors"))


@pytest.mark.parametrize("damage", ["truncated", "missing", "altered"])
def test_exact_scores_survive_damage_to_the_file_of_vectors(folder, tmp_path, caplog, damage):
    """What is missing is written again, what was altered is noticed, what a crash left goes."""
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    (path,) = vector_files(tmp_path)
    path.with_name("image-left-by-a-crash.vectors").write_bytes(b"x")
    vectors = np.fromfile(path, dtype="<f4").reshape(-1, DIMENSION)
    if damage == "missing":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:-1000])
    else:
        np.roll(vectors, 1, axis=1).tofile(path)
    store, things = collection_in(tmp_path, dimension=DIMENSION, flat_limit=FLAT_LIMIT)
    for query in QUERIES[:10]:
        for hit in things.search(query, recall=0.999):
            number = int(hit.id[1:])
            assert hit.score == pytest.approx(float(VECTORS[number] @ query), abs=1e-6)
            np.testing.assert_allclose(hit.vector, VECTORS[number], atol=1e-6)
    assert ("rebuilding" in caplog.text) == (damage == "altered")
    assert len(vector_files(tmp_path)) == 1
    assert structure(things) == COMPRESSED
    store.close()


def test_only_the_file_of_the_present_shelf_stays(growing):
    """The file of a shelf that was built anew goes."""
    growing.upsert(items(range(600)))
    growing.wait_for_growth()
    folder = growing.folder.parent.parent
    first = vector_files(folder)
    growing.upsert(items(range(600, 1300)))
    growing.wait_for_growth()
    assert len(vector_files(folder)) == len(first) == 1
    assert vector_files(folder) != first
    growing.delete([f"i{n}" for n in range(1200)])
    growing.wait_for_growth()
    assert vector_files(folder) == []


def test_codes_take_a_third_of_the_vectors(grown):
    """One bit and eight bits for every number, some words for every row: at most 1.3 kB for 1024 numbers."""
    shelf = grown._state.shelves.get("image")
    per_row = shelf._codes.code_size + faiss.downcast_index(shelf._refined.base_index).code_size
    words = per_row - DIMENSION - DIMENSION // 8
    rows_and_lists = 8 + 8 + 1
    assert 1024 + 1024 // 8 + words + rows_and_lists <= 1300


def test_deleted_items_stay_deleted_until_and_after_the_next_building(growing):
    """As tombstones, and when a quarter of the rows is gone and the shelf is built anew, at last flat."""
    growing.upsert(items(range(1000)))
    growing.wait_for_growth()
    growing.delete([f"i{n}" for n in range(200)])
    growing.wait_for_growth()
    shelf = growing._state.shelves.get("image")
    assert (shelf.dead, len(shelf)) == (200, 800)
    assert_only(growing, range(200, 1000))
    growing.delete([f"i{n}" for n in range(200, 400)])
    growing.wait_for_growth()
    assert growing._state.shelves.get("image").dead == 0
    assert structure(growing) == COMPRESSED
    assert_only(growing, range(400, 1000))
    growing.delete([f"i{n}" for n in range(400, 900)])
    growing.wait_for_growth()
    assert structure(growing) == "flat"
    assert_only(growing, range(900, 1000))


def assert_only(things, numbers):
    expected = {f"i{n}" for n in numbers}
    for query in QUERIES[:20]:
        assert {hit.id for hit in things.search(query, limit=50)} <= expected
    assert {hit.id for hit in things.search(QUERIES[0], limit=10**6)} == expected
    assert_picture_is_true(things)


def test_tombstones_survive_closing(tmp_path):
    """The file says which of its rows are gone, also when it is older than the database."""
    words = {"dimension": DIMENSION, "flat_limit": FLAT_LIMIT}
    store, things = collection_in(tmp_path, **words)
    things.upsert(items(range(1000)))
    things.wait_for_growth()
    for gone in (range(100), range(100, 200)):
        things.delete([f"i{n}" for n in gone])
        store.close()
        store, things = collection_in(tmp_path, **words)
        assert structure(things) == COMPRESSED
        assert_only(things, range(gone.stop, 1000))
    store.close()


def test_a_shelf_that_doubled_is_built_anew(growing):
    """Lists and measurements fit the rows of long ago only so long."""
    growing.upsert(items(range(600)))
    growing.wait_for_growth()
    growing.upsert(items(range(600, 1100)))
    growing.wait_for_growth()
    assert growing._state.shelves.get("image").built == 600
    growing.upsert(items(range(1100, 1300)))
    growing.wait_for_growth()
    assert growing._state.shelves.get("image").built == 1300
    assert recall(growing, range(1300)) >= 0.95


def test_a_shelf_grows_though_its_folder_was_removed(tmp_path):
    """The folder is made again for the file of vectors."""
    store, things = collection_in(tmp_path, dimension=DIMENSION, flat_limit=FLAT_LIMIT)
    shutil.rmtree(tmp_path / "collections" / "things" / "shelves")
    things.upsert(items(range(800)))
    things.wait_for_growth()
    assert structure(things) == COMPRESSED
    assert_only(things, range(800))
    store.close()


@pytest.mark.parametrize("damage", ["truncated", "missing"])
def test_a_damaged_compressed_shelf_is_built_from_sqlite(tmp_path, caplog, damage):
    """It costs time, and nothing else."""
    words = {"dimension": DIMENSION, "flat_limit": FLAT_LIMIT}
    store, things = collection_in(tmp_path, **words)
    things.upsert(items(range(800)))
    store.close()
    path = tmp_path / "collections" / "things" / "shelves" / "image.faiss"
    path.unlink() if damage == "missing" else path.write_bytes(path.read_bytes()[:-50])
    with caplog.at_level(logging.INFO, "index"):
        store, things = collection_in(tmp_path, **words)
    assert "rebuilding the image shelf" in caplog.text
    assert structure(things) == COMPRESSED
    assert_only(things, range(800))
    store.close()


def test_results_are_right_while_shelves_are_built(growing):
    """Writers and searchers go on through several changes of structure; nothing is missed or comes back."""
    kept, gone = set(range(0, 3000, 3)), set()
    growing.upsert(items(sorted(kept)))
    done = threading.Event()
    lock = threading.Lock()

    def write():
        rng = np.random.default_rng(1)
        for n in range(1, 3000, 3):
            growing.upsert(items([n]))
            with lock:
                kept.add(n)
            if n % 2:
                victim = int(rng.choice(sorted(kept)))
                with lock:
                    kept.discard(victim)
                growing.delete([f"i{victim}"])
                with lock:
                    gone.add(victim)
        done.set()

    def search(seed):
        rng = np.random.default_rng(seed)
        rounds = 0
        while not done.is_set():
            with lock:
                deleted, there = set(gone), sorted(kept)
            wanted = int(rng.choice(there))
            hits = [int(hit.id[1:]) for hit in growing.search(VECTORS[wanted], limit=20, calibrate=False)]
            assert not set(hits) & deleted
            with lock:
                still = wanted in kept
            assert hits[0] == wanted or not still
            assert len(hits) == 20
            rounds += 1
        return rounds

    with ThreadPoolExecutor(3) as pool:
        searches = [pool.submit(search, seed) for seed in range(2)]
        try:
            write()
        finally:
            done.set()
        assert all(one.result() for one in searches)
    growing.wait_for_growth()
    assert structure(growing) == COMPRESSED
    assert_only(growing, kept)


def test_closing_ends_what_is_being_built(tmp_path):
    """The flat shelf is saved, and the next start takes the building up again."""
    words = {"dimension": DIMENSION, "flat_limit": FLAT_LIMIT}
    store, things = collection_in(tmp_path, **words)
    things.upsert(items(range(COUNT)))
    store.close()
    store, things = collection_in(tmp_path, **words)
    things.wait_for_growth()
    assert structure(things) == COMPRESSED
    assert things._state.shelves.unsaved() == []
    store.close()


def test_a_shelf_that_cannot_be_built_stays_as_it_is(growing, monkeypatch, caplog):
    """Reading and writing go on with the old structure; the log says why."""

    def fail(*_):
        raise MemoryError

    monkeypatch.setattr("index.building.build", fail)
    growing.upsert(items(range(600)))
    growing.wait_for_growth()
    growing.upsert(items(range(600, 700)))
    assert "could not be built anew" in caplog.text
    assert structure(growing) == "flat"
    assert recall(growing, range(700)) == 1


def test_the_limit_is_the_stores(tmp_path):
    """Another limit at the next start is followed, in both directions."""
    for limit, expected in ((10_000, "flat"), (100, COMPRESSED), (10_000, "flat")):
        with Store.open(tmp_path, flat_limit=limit) as store:
            things, _ = store.create("things", **{**MODEL, "dimension": DIMENSION})
            things.upsert(items(range(300)))
            things.wait_for_growth()
            assert structure(things) == expected
