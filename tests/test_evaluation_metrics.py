"""The measures of the evaluation against definitions written out one query at a time."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation import bootstrap
from evaluation.metrics import (
    average_precision,
    average_precisions,
    best_of_groups,
    chance_of_recall,
    class_ranks,
    gap,
    hits,
    matched_cosines,
    retrieval_ranks,
)

QUICK = settings(max_examples=60, deadline=None)
seeds = st.integers(0, 2**32 - 1)


def unit_rows(rng, count, dim=8):
    rows = rng.normal(size=(count, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def owned(rng, owners, each):
    """Vectors near their owners, several for each, in mixed order."""
    groups = rng.permutation(np.repeat(np.arange(len(owners)), each))
    return unit_rows(rng, len(groups)) * 0.7 + owners[groups] * 0.3, groups


@QUICK
@given(seeds, st.integers(2, 12), st.integers(1, 5))
def test_retrieval_rank_is_the_place_of_the_first_own_item(seed, count, each):
    """Sorting all items and walking down until one of the query's own comes gives the same rank."""
    rng = np.random.default_rng(seed)
    queries = unit_rows(rng, count)
    items, groups = owned(rng, queries, each)
    ranks = retrieval_ranks(queries, np.arange(count), items, groups)
    for row, query in enumerate(queries):
        # The query's further own items do not count as rivals of the best.
        order = np.argsort(-(items @ query))
        first = next(place for place, item in enumerate(order) if groups[item] == row)
        assert ranks[row] == first + 1


@QUICK
@given(seeds, st.integers(2, 12), st.integers(1, 5))
def test_a_caption_has_one_item_to_find(seed, count, each):
    """In the other direction every caption is a query of its own, with one right answer."""
    rng = np.random.default_rng(seed)
    items = unit_rows(rng, count)
    captions, groups = owned(rng, items, each)
    ranks = retrieval_ranks(captions, groups, items, np.arange(count))
    scores = captions @ items.T
    expected = [1 + int((row > row[own]).sum()) for row, own in zip(scores, groups, strict=True)]
    assert ranks.tolist() == expected


@QUICK
@given(seeds, st.integers(2, 12), st.integers(1, 5), st.integers(1, 10))
def test_recall_counts_queries_with_an_own_item_among_the_nearest(seed, count, each, at):
    """The share of ranks up to k, against the k nearest of every query."""
    rng = np.random.default_rng(seed)
    queries = unit_rows(rng, count)
    items, groups = owned(rng, queries, each)
    ranks = retrieval_ranks(queries, np.arange(count), items, groups)
    nearest = np.argsort(-(queries @ items.T), axis=1)[:, :at]
    found = [row in groups[columns] for row, columns in enumerate(nearest)]
    assert hits(ranks, at).mean() == pytest.approx(np.mean(found))


@QUICK
@given(seeds, st.integers(2, 9), st.integers(1, 30))
def test_top_k_counts_the_classes_before_the_true_one(seed, classes, count):
    """Top-1 is the share of rows nearest to their class, top-k of those with it among the k nearest."""
    rng = np.random.default_rng(seed)
    z, said = unit_rows(rng, count), unit_rows(rng, classes)
    truth = rng.integers(0, classes, count)
    ranks = class_ranks(z @ said.T, truth)
    assert hits(ranks, 1).mean() == pytest.approx(np.mean((z @ said.T).argmax(1) == truth))
    nearest = np.argsort(-(z @ said.T), axis=1)[:, :3]
    assert hits(ranks, 3).tolist() == [float(t in row) for t, row in zip(truth, nearest, strict=True)]


def test_a_class_of_several_names_takes_its_best():
    """The groups' maxima, in the order of the groups."""
    scores = np.array([[0.1, 0.9, 0.3], [0.5, 0.2, 0.4]], np.float32)
    assert best_of_groups(scores, np.array([1, 0, 1])).tolist() == [
        pytest.approx([0.9, 0.3]),
        pytest.approx([0.2, 0.5]),
    ]


def test_a_model_that_says_always_the_same_is_not_rewarded():
    """Equal scores share the middle place, whatever the order of the files is."""
    same = np.ones((5, 1), np.float32)
    assert retrieval_ranks(same, np.arange(5), same, np.arange(5)).tolist() == [3.0] * 5
    assert class_ranks(np.ones((4, 5), np.float32), np.array([0, 1, 2, 4])).tolist() == [3.0] * 4
    assert average_precision(np.ones(10), np.arange(10) < 3) == pytest.approx(0.3)


def test_a_query_without_an_own_item_is_an_error():
    """It has no rank, and is not passed over in silence."""
    rows = np.eye(3, dtype=np.float32)
    with pytest.raises(ValueError, match="no item of its own"):
        retrieval_ranks(rows, np.arange(3), rows[:2], np.arange(2))


@QUICK
@given(st.lists(st.tuples(st.integers(-4, 4), st.booleans()), min_size=1, max_size=30))
def test_average_precision_by_its_definition(scored):
    """The mean, over relevant items, of the share of relevant ones among all that score no less."""
    scores = np.array([score for score, _ in scored], float)
    relevant = np.array([own for _, own in scored])
    shares = [relevant[scores >= score].mean() for score in scores[relevant]]
    if shares:
        assert average_precision(scores, relevant) == pytest.approx(np.mean(shares))
    else:
        assert math.isnan(average_precision(scores, relevant))


@QUICK
@given(seeds, st.integers(1, 8), st.integers(4, 30))
def test_every_query_has_its_precision(seed, queries, items):
    """Walking down the order: the share of right items at each right one; NaN where nothing is right."""
    rng = np.random.default_rng(seed)
    asked, found = unit_rows(rng, queries), unit_rows(rng, items)
    wanted, shown = rng.choice(list("abc"), queries).tolist(), rng.choice(list("ab"), items).tolist()
    precisions = average_precisions(asked, wanted, found, shown)
    for query, label, precision in zip(asked, wanted, precisions, strict=True):
        right = [shown[item] == label for item in np.argsort(-(found @ query))]
        shares = [np.mean(right[: place + 1]) for place, own in enumerate(right) if own]
        assert precision == pytest.approx(np.mean(shares) if shares else math.nan, nan_ok=True)


def test_the_gap_of_two_modalities():
    """Opposite poles are 2 apart, the same points 0; matched cosines are read pair by pair."""
    east = np.array([[1, 0], [1, 0]], np.float32)
    assert gap(east, -east) == pytest.approx(2)
    assert gap(east, east) == 0
    mixed = np.array([[1, 0], [0, 1]], np.float32)
    assert matched_cosines(east, mixed).tolist() == [1, 0]


@pytest.mark.parametrize(("items", "own", "at"), [(10, 1, 1), (10, 1, 5), (12, 5, 3), (6, 5, 4), (9, 4, 9)])
def test_chance_of_recall_counts_orders(items, own, at):
    """The share of random orders in which one of the own is among the first."""
    expected = 1 - math.comb(items - own, at) / math.comb(items, at)
    assert chance_of_recall(items, own, at) == pytest.approx(expected)


@QUICK
@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(0, 4)), min_size=1, max_size=20))
def test_the_weighted_median_is_the_median_of_repeated_values(weighted):
    """np.median of every value written out as often as its weight says."""
    values = np.sort(np.array([float(value) for value, _ in weighted]))
    weights = np.array([weight for _, weight in weighted])
    if weights.sum():
        expected = np.median(np.repeat(values, weights))
        assert bootstrap.median(values, weights) == pytest.approx(expected)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    """Of 200 samples of 60 coin tosses, the 95 % interval holds the coin's chance in 90 % or more."""
    rng = np.random.default_rng(1)
    samples = (rng.random((200, 60)) < 0.4).astype(float)
    ends = [bootstrap.interval(sample, resamples=200) for sample in samples]
    assert np.mean([low <= 0.4 <= high for low, high in ends]) >= 0.9
    assert np.mean([high - low for low, high in ends]) < 0.3


def test_intervals_are_seeded():
    """The same values give the same ends; another seed gives others."""
    values = np.random.default_rng(2).random(50)
    assert bootstrap.interval(values) == bootstrap.interval(values)
    assert bootstrap.interval(values) != bootstrap.interval(values, seed=1)


def test_captions_of_one_item_are_drawn_together():
    """Five copies of every value tell no more than one of each: the interval stays as wide."""
    values = np.random.default_rng(3).random(40)
    copies, groups = np.repeat(values, 5), np.repeat(np.arange(40), 5)
    low, high = bootstrap.interval(values)
    grouped = bootstrap.interval(copies, groups=groups)
    apart = bootstrap.interval(copies)
    assert grouped == pytest.approx((low, high), abs=1e-9)
    assert apart[1] - apart[0] < 0.6 * (high - low)
