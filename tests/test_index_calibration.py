"""Scores of different modalities made comparable."""

import math

import numpy as np
import pytest

from index import Item, Row, calibration
from tests.index_samples import DIMENSION, collection_in, item, vector


@pytest.fixture
def things(tmp_path):
    store, collection = collection_in(tmp_path)
    yield collection
    store.close()


def rows_near(direction, count, spread, seed):
    rng = np.random.default_rng(seed)
    return [Row((direction + spread * rng.normal(size=DIMENSION)).astype(np.float32)) for _ in range(count)]


def test_without_prior_and_rows_the_background_is_that_of_random_directions():
    """Mean 0, standard deviation 1 / sqrt(dim)."""
    background = calibration.background(None, np.zeros(31), 64)
    assert (background.mean, background.spread) == (0.0, 1 / 8)


def test_few_rows_leave_the_prior_alone():
    """Below 32 rows their scores say too little."""
    background = calibration.background((0.3, 0.05), np.full(31, 0.9), 64)
    assert (background.mean, background.spread) == (0.3, 0.05)


def test_rows_move_the_mean_of_the_prior():
    """A prior is worth 64 rows: with 64 rows the mean goes half the way, and the spread stays the prior's."""
    background = calibration.background((0.1, 0.2), np.tile([0.2, 0.4], 32), 64)
    assert (background.mean, background.spread) == (pytest.approx(0.2), 0.2)


@pytest.mark.parametrize(("score", "mean"), [(0.9, 0.3), (-0.9, -0.1)])
def test_rows_move_the_mean_by_one_standard_deviation_at_most(score, mean):
    """However many rows are alike, the background stays near that of unrelated items."""
    background = calibration.background((0.1, 0.2), np.full(256, score), 64)
    assert (background.mean, background.spread) == (pytest.approx(mean), 0.2)


def test_a_shelf_full_of_matches_still_comes_before_strangers(things):
    """Hundreds of texts on the query's subject do not push one another behind an unrelated image."""
    query = vector(0)
    things.upsert([Item(f"t{i}", "text", (row,)) for i, row in enumerate(rows_near(query, 300, 0.1, 1))])
    stranger = Row((0.1 * query + vector(3)).astype(np.float32))
    things.upsert([Item("stranger", "image", (stranger,))])
    priors = {("text", "text"): (0.05, 0.1), ("text", "image"): (0.02, 0.09)}
    hits = things.search(query, limit=301, background=priors)
    assert hits[-1].id == "stranger"


def test_segments_of_one_recording_are_no_background(tmp_path):
    """Hundreds of vectors of one item near the query leave the others' calibrated scores as they were."""
    query = vector(0)
    others = [
        Item(f"s{i}", "audio", (row,)) for i, row in enumerate(rows_near(0.2 * query + vector(5), 60, 0.5, 1))
    ]
    near = rows_near(query, 301, 0.1, 2)
    found = []
    for name, rows in (("one", near[:1]), ("many", near)):
        store, things = collection_in(tmp_path / name)
        with store:
            things.upsert([Item("long", "audio", tuple(rows)), *others[:30]])
            things.search(query, limit=1)
            things.upsert(others[30:])
            hits = things.search(query, limit=61)
            found.append({hit.id: hit.calibrated for hit in hits if hit.id != "long"})
    assert len(found[0]) == 60
    assert found[0] == found[1]


def test_copies_of_one_vector_do_not_divide_by_zero():
    """The standard deviation has a floor."""
    background = calibration.background(None, np.full(100, 0.5), 64)
    assert background.spread == calibration.NARROWEST
    assert background.calibrate(0.5) == pytest.approx(0)


def test_the_prior_of_the_pair_is_used(things):
    """(score - mean) / spread with the numbers of (query modality, item modality)."""
    things.upsert([item("a", 1, "image"), item("b", 1, "text")])
    priors = {("audio", "image"): (0.2, 0.1), ("audio", "text"): (0.5, 0.25), ("image", "audio"): (9, 9)}
    hits = things.search(vector(1), query_modality="audio", background=priors)
    assert [hit.id for hit in hits] == ["a", "b"]
    assert [hit.calibrated for hit in hits] == pytest.approx([8, 2], abs=1e-4)
    without = things.search(vector(1), query_modality="depth", background=priors)
    assert [hit.calibrated for hit in without] == pytest.approx([math.sqrt(DIMENSION)] * 2, abs=1e-4)


def test_a_modality_gap_no_longer_decides_the_order(things):
    """Texts all have high cosines with a text query; calibrated, the one image that stands out is first."""
    query = vector(0)
    texts = rows_near(query, 60, 0.15, 1)
    images = rows_near(-query, 60, 0.3, 2)
    match = Row((0.2 * query + 0.3 * vector(5)).astype(np.float32))
    things.upsert([Item(f"t{i}", "text", (row,)) for i, row in enumerate(texts)])
    things.upsert([Item(f"i{i}", "image", (row,)) for i, row in enumerate(images)])
    things.upsert([Item("match", "image", (match,))])
    raw = things.search(query, calibrate=False, limit=50)
    assert {hit.modality for hit in raw} == {"text"}
    assert all(hit.calibrated is None for hit in raw)
    assert [hit.score for hit in raw] == sorted((hit.score for hit in raw), reverse=True)
    calibrated = things.search(query, limit=20)
    assert calibrated[0].id == "match"
    assert {hit.modality for hit in calibrated} == {"text", "image"}
    assert [hit.calibrated for hit in calibrated] == sorted((h.calibrated for h in calibrated), reverse=True)


def test_the_order_inside_a_modality_never_changes(things):
    """Calibration moves modalities against each other, never items of one."""
    rng = np.random.default_rng(7)
    for modality in ("image", "text"):
        things.upsert(
            [Item(f"{modality}{i}", modality, rows_near(vector(i % 9), 1, 0.5, i)) for i in range(100)]
        )
    priors = {("text", "image"): (0.1, 0.05), ("text", "text"): (0.4, 0.2)}
    query = rng.normal(size=DIMENSION)
    mixed = things.search(query, limit=500, background=priors)
    for modality in ("image", "text"):
        for words in ({"calibrate": False}, {"background": priors}):
            alone = things.search(query, limit=500, modalities=[modality], **words)
            assert [hit.id for hit in alone] == [hit.id for hit in mixed if hit.modality == modality]


def test_the_same_collection_gives_the_same_calibration_after_reopening(tmp_path):
    """The sample depends on the rows alone, not on how they got onto the shelf."""
    store, things = collection_in(tmp_path)
    for start in (0, 400):
        things.upsert([item(f"i{i}", i) for i in range(start, start + 400)])
    things.delete([f"i{i}" for i in range(0, 800, 3)])
    before = [(hit.id, hit.calibrated) for hit in things.search(vector(1), limit=50)]
    store.close()
    (tmp_path / "collections" / "things" / "shelves" / "image.faiss").unlink()
    store, things = collection_in(tmp_path)
    assert [(hit.id, hit.calibrated) for hit in things.search(vector(1), limit=50)] == before
    store.close()


@pytest.mark.parametrize("seed", range(10))
def test_no_background_can_turn_an_order_round(seed):
    """Whatever prior and sample: higher cosines stay higher, the mean within a spread of the prior's."""
    rng = np.random.default_rng(seed)
    prior = (rng.uniform(-0.5, 0.5), rng.uniform(0, 0.5)) if seed % 3 else None
    sample = rng.uniform(-1, 1, rng.integers(0, 300)) ** 3
    background = calibration.background(prior, sample, 384)
    scores = np.sort(rng.uniform(-1, 1, 1000).astype(np.float32)).astype(float)
    calibrated = [background.calibrate(score) for score in scores]
    assert np.isfinite(calibrated).all()
    assert (np.diff(calibrated) > 0).all()
    if prior is not None:
        assert abs(background.mean - prior[0]) <= prior[1] + 1e-12


def test_a_few_matches_do_not_move_the_background():
    """The sample speaks by its median: a tenth of matches leaves it where it was."""
    strangers = np.linspace(0.0, 0.2, 180)
    alone = calibration.background((0.1, 0.1), strangers, 64)
    among = calibration.background((0.1, 0.1), np.concatenate([strangers, np.full(20, 0.9)]), 64)
    assert among.mean == pytest.approx(alone.mean, abs=0.02)


def test_without_a_prior_half_of_the_spread_is_believed():
    """The geometric mean of the sample's standard deviation and 1 / sqrt(dim)."""
    background = calibration.background(None, np.tile([0.1, 0.5], 50), 64)
    assert (background.mean, background.spread) == (pytest.approx(0.3), pytest.approx(math.sqrt(0.2 / 8)))


def test_handfuls_and_modalities_without_a_prior_are_ranked_too(things):
    """One to five items on a shelf, one of the shelves unknown to the model: every order is the cosine's."""
    for count, modality in ((1, "image"), (5, "text"), (3, "touch")):
        things.upsert([item(f"{modality}{i}", 10 * count + i, modality) for i in range(count)])
    priors = {("text", "image"): (0.1, 0.05), ("text", "text"): (0.4, 0.2)}
    mixed = things.search(vector(3), limit=20, background=priors)
    assert len(mixed) == 9
    assert [hit.calibrated for hit in mixed] == sorted((hit.calibrated for hit in mixed), reverse=True)
    for modality in ("image", "text", "touch"):
        own = [hit.score for hit in mixed if hit.modality == modality]
        assert own == sorted(own, reverse=True)
