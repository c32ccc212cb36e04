"""Fusion, groups, quotas and variety against their definitions, on random lists."""

from collections import Counter

import numpy as np
import pytest

from index import Hit
from service.search import Found, Probe, fused, grouped, various, within_quota
from service.vectorizer import Embedded

SEEDS = range(5)
MODALITIES = ("image", "audio", "text")


def hits(seed, count=30):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, 6))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    scores = np.sort(rng.uniform(size=count))[::-1]
    return [
        Hit(
            f"i{name}",
            MODALITIES[int(name) % 3],
            float(score),
            None,
            {"kind": int(name) % 7} if name % 5 else {},
            vector=row.astype(np.float32),
        )
        for name, score, row in zip(rng.permutation(count), scores, vectors, strict=True)
    ]


@pytest.mark.parametrize("seed", SEEDS)
def test_ranks_are_fused_as_the_paper_says(seed):
    """The sum of weight / (60 + rank) over the lists that hold an item; an item of no list counts 0 there."""
    lists = [hits(seed)[:20], hits(seed + 100)[:20]]
    weights = (1.0, 2.5)
    nothing = Embedded(np.zeros(6, np.float32), "text")
    found = fused(lists, [Probe(nothing, weight, frozenset()) for weight in weights])
    places = [{hit.id: rank for rank, hit in enumerate(each, 1)} for each in lists]
    expected = {
        name: sum(w / (60 + at[name]) for w, at in zip(weights, places, strict=True) if name in at)
        for name in set(places[0]) | set(places[1])
    }
    assert [each.hit.id for each in found] == sorted(expected, key=lambda name: (-expected[name], name))
    assert [each.rank_score for each in found] == pytest.approx(sorted(expected.values(), reverse=True))


@pytest.mark.parametrize("seed", SEEDS)
def test_groups_are_stood_for_by_their_first(seed):
    """One result for each value, in the order of their best; items without the key are left out."""
    found = grouped([Found(hit) for hit in hits(seed)], "kind")
    ordered = [hit for hit in hits(seed) if "kind" in hit.metadata]
    firsts = [next(hit for hit in ordered if hit.metadata["kind"] == kind) for kind in range(7)]
    assert {each.hit.id for each in found} == {hit.id for hit in firsts}
    assert [each.hit.score for each in found] == sorted((hit.score for hit in firsts), reverse=True)
    assert all(each.group == each.hit.metadata["kind"] for each in found)


@pytest.mark.parametrize("quota", [1, 3, 50])
def test_a_quota_keeps_the_first_of_each_modality_in_their_order(quota):
    """As though each modality's list were cut and the rest left as it is."""
    everything = hits(3)
    allowed = {m: [h.id for h in everything if h.modality == m][:quota] for m in MODALITIES}
    kept = within_quota([Found(hit) for hit in everything], quota)
    assert [each.hit.id for each in kept] == [h.id for h in everything if h.id in allowed[h.modality]]
    assert max(Counter(each.hit.modality for each in kept).values()) <= quota


@pytest.mark.parametrize("diversity", [0.2, 0.5, 1.0])
def test_variety_is_maximal_marginal_relevance(diversity):
    """Each next one has the most of (1 - d) relevance - d similarity to the nearest that was chosen."""
    found = [Found(hit) for hit in hits(7)]
    relevance = np.linspace(1, 0, len(found))
    chosen = [0]
    while len(chosen) < 10:
        worth = {
            i: (1 - diversity) * relevance[i]
            - diversity * max(float(found[i].hit.vector @ found[j].hit.vector) for j in chosen)
            for i in range(len(found))
            if i not in chosen
        }
        chosen.append(max(worth, key=worth.__getitem__))
    assert [each.hit.id for each in various(found, diversity, 10)] == [found[i].hit.id for i in chosen]


def test_copies_do_not_fill_the_page():
    """Nine copies of the best and one other: with diversity the other is second."""
    one, other = np.eye(6, dtype=np.float32)[:2]
    copies = [Hit(f"copy{i}", "image", 0.9, None, {}, vector=one) for i in range(9)]
    found = [Found(hit) for hit in [*copies, Hit("other", "image", 0.5, None, {}, vector=other)]]
    assert [each.hit.id for each in various(found, 0.6, 3)][:2] == ["copy0", "other"]
