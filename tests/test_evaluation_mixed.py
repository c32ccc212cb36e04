"""Figures of mixed lists: the measure from its definition, and a real collection behind it."""

import math

import numpy as np
import pytest

from evaluation.items import text_item
from evaluation.mixed import Entry, Mixed, Search, evenly, fill
from evaluation.ndcg import best_merge, ndcg, ratio_interval
from tests.index_samples import collection_in
from training.index import Item as Row

DIMENSION = 16


def entry(name, modality, *concepts):
    return Entry(text_item(name), modality, frozenset(concepts))


def unit(values):
    return (values / np.linalg.norm(values)).astype(np.float32)


def test_a_list_is_compared_with_the_best_possible_one():
    """Two of three relevant at ranks 1 and 3: (1 + 1/2) / (1 + 1/log2(3) + 1/2)."""
    assert ndcg([True, False, True], 3) == pytest.approx(1.5 / (1.5 + 1 / math.log2(3)))


def test_more_relevant_items_than_places_do_not_spoil_a_full_list():
    """The ideal has min(10, relevant) places, so ten of ten is 1 however many more there are."""
    assert ndcg([True] * 10, 500) == pytest.approx(1)
    assert ndcg([False] * 10, 500) == 0


def test_without_relevant_items_there_is_no_figure():
    """What cannot be found is no failure."""
    assert math.isnan(ndcg([False] * 10, 0))


def test_the_best_merge_keeps_the_order_within_each_list():
    """What is relevant comes as early as the lists allow; a bad beginning waits for what lies behind."""
    yes, no = True, False
    assert best_merge([[yes, no, yes], [no, yes, yes], [yes]]) == [yes, yes, no, yes, yes, no, yes]
    assert best_merge([[no, no, no], [yes]]) == [yes, no, no, no]
    assert best_merge([[yes] * 20, [no]]) == [yes] * 10
    assert best_merge([[], []]) == []


def test_the_interval_of_a_ratio_holds_it():
    """Twice as good everywhere is a ratio of 2 without width; noise makes it wider."""
    ones = np.linspace(0.2, 0.9, 40)
    assert ratio_interval(2 * ones, ones, np.arange(40)) == pytest.approx((2, 2))
    noise = np.random.default_rng(0).normal(0, 0.1, 40)
    low, high = ratio_interval(2 * ones + noise, ones, np.arange(40))
    assert low < 2 < high


def test_items_are_drawn_alike_from_every_concept():
    """A large class does not crowd out a small one."""
    rows = [Row("image", "a", str(i), "val", "x", "cat" if i < 90 else "dog", "") for i in range(100)]
    assert sorted(row.concept for row in evenly(rows, 10)) == ["cat"] * 5 + ["dog"] * 5


def test_a_query_never_finds_itself_and_both_orders_come_from_the_collection(tmp_path):
    """Across a gap the raw list is all of one modality; calibrated, what shows the same comes first."""
    rng = np.random.default_rng(0)
    gap, concepts = rng.normal(size=(2, DIMENSION)) * 2, rng.normal(size=(40, DIMENSION))
    entries, rows = [], []
    for side, modality in enumerate(("text", "image")):
        for kind in range(40):
            entries.append(entry(f"{modality}{kind}", modality, str(kind)))
            rows.append(unit(concepts[kind] + gap[side] + 0.3 * rng.normal(size=DIMENSION)))
    store, collection = collection_in(tmp_path, dimension=DIMENSION)
    fill(collection, entries, np.stack(rows))
    search = Search(collection, entries, {})
    pairs = [search.orders(entries[i], rows[i], others=False) for i in range(40)]
    raw, calibrated = (np.array([pair[side].value for pair in pairs]) for side in (0, 1))
    assert all(0 <= value <= 1 for value in (*raw, *calibrated))
    assert calibrated.mean() > raw.mean()
    ceiling = np.array([pair[2].value for pair in pairs])
    assert (ceiling >= np.maximum(raw, calibrated)).all()
    assert ceiling.mean() > calibrated.mean()
    only = search.orders(entries[0], rows[0], others=True)
    assert {modality for each in only for modality in each.modalities} == {"image"}
    assert only[0].value == only[1].value
    store.close()


def test_fewer_are_spread_over_every_modality():
    """`limited` takes as many of each modality."""
    entries = [entry(f"{m}{i}", m, "x") for m in ("text", "audio") for i in range(20)]
    few = Mixed(entries, entries).limited(3)
    assert [each.modality for each in few.entries] == ["text"] * 3 + ["audio"] * 3
