"""Maps of collections: neighbours stay together, the same items make the same map, changes are followed."""

import base64
import time

import faiss
import numpy as np
import pytest

from index import Item, Row, Segment, Store, errors
from index.projection_layout import framed
from index.projection_neighbours import closeness, nearest
from index.projection_pca import principal
from index.projection_sample import quotas
from tests.index_samples import collection_in

DIM = 32
PATIENCE_S = 60


def clusters(count, groups, seed=0):
    """Unit vectors of `groups` meanings in two cones, as two modalities lie, and their groups: (2, count)."""
    rng = np.random.default_rng(seed)
    meanings, cones = rng.normal(size=(groups, DIM)), 3 * rng.normal(size=(2, 1, DIM))
    group = rng.integers(groups, size=(2, count))
    vectors = meanings[group] + 0.2 * rng.normal(size=(2, count, DIM)) + cones
    return (vectors / np.linalg.norm(vectors, axis=2, keepdims=True)).astype(np.float32), group


def fill(collection, vectors, modality, prefix=""):
    rows = [
        Item(f"{prefix}{modality}-{number}", modality, (Row(each),)) for number, each in enumerate(vectors)
    ]
    collection.upsert(rows)


@pytest.fixture
def things(tmp_path):
    store, collection = collection_in(tmp_path, dimension=DIM)
    with store:
        yield collection


def finished(collection, limit=50_000):
    """The map once nothing better is being made."""
    collection.map(limit)
    collection._maps.wait()
    return collection.map(limit)


def nearest_in(points, count):
    """Numbers of the nearest others, by FAISS over all of them."""
    index = faiss.IndexFlatL2(points.shape[1])
    index.add(np.ascontiguousarray(points, dtype=np.float32))
    return index.search(np.ascontiguousarray(points, dtype=np.float32), count + 1)[1][:, 1:]


def shared(one, other):
    """The mean share of neighbours that are in both lists."""
    return np.mean([len(set(a) & set(b)) / len(a) for a, b in zip(one.tolist(), other.tolist(), strict=True)])


def test_neighbours_stay_neighbours_and_modalities_apart(things):
    """Of a point's ten true neighbours many more are near it than in the principal plane or by chance."""
    vectors, group = clusters(400, 40)
    fill(things, vectors[1], "image")
    fill(things, vectors[0], "audio")
    found = finished(things)
    assert (found.method, found.fresh, found.total) == ("umap", True, 800)
    everything, labels = vectors.reshape(-1, DIM), group.ravel() + 40 * np.repeat([0, 1], 400)
    order = [400 * (name == "image") + int(number) for name, number in (i.split("-") for i in found.ids)]
    truth, drawn = nearest_in(everything[order], 10), nearest_in(found.places, 10)
    flat = nearest_in(principal(everything[order], 2).of(everything[order]), 10)
    assert shared(truth, drawn) > max(0.65, 1.5 * shared(truth, flat))
    labels = labels[order]
    assert (labels[drawn] == labels[:, None]).mean() > (labels[truth] == labels[:, None]).mean() - 0.02
    assert (found.modality[drawn] == found.modality[:, None]).mean() > 0.97


def test_points_fill_the_square(things):
    """Places lie in [-1, 1] and reach both ends of the longer side."""
    fill(things, clusters(100, 5)[0][0], "image")
    places = finished(things).places
    assert places.dtype == np.float32
    assert np.abs(places).max() == pytest.approx(1)
    assert max(np.ptp(places, axis=0)) == pytest.approx(2)


def test_the_same_items_make_the_same_map(tmp_path):
    """Two collections that were filled alike have equal maps, to the bit."""
    maps = []
    for name in ("one", "two"):
        store, collection = collection_in(tmp_path / name, dimension=DIM)
        with store:
            fill(collection, clusters(300, 6)[0][0], "image")
            maps.append(finished(collection))
    assert np.array_equal(maps[0].places, maps[1].places)
    assert maps[0].ids == maps[1].ids


def test_changes_make_a_map_stale_and_then_a_new_one(things):
    """A write gives the older map at once, marked stale, and the new item once the next one is made."""
    vectors = clusters(60, 3)[0][0]
    fill(things, vectors[:50], "image")
    before = finished(things)
    fill(things, vectors[50:], "image", "new-")
    between = things.map(50_000)
    assert not between.fresh
    assert between.generation == before.generation
    after = finished(things)
    assert after.fresh
    assert after.generation != before.generation
    assert set(after.ids) - set(before.ids) == {f"new-image-{n}" for n in range(10)}


def test_a_map_without_changes_is_made_once(things):
    """The second answer is the very same map."""
    fill(things, clusters(50, 3)[0][0], "image")
    assert finished(things) is things.map(50_000)


def test_deleted_items_are_absent_at_once(things):
    """A stale map is given without the points of items that are gone."""
    fill(things, clusters(50, 3)[0][0], "image")
    before = finished(things)
    things.delete(["image-7", "image-9"])
    between = things.map(50_000)
    assert set(before.ids) - set(between.ids) == {"image-7", "image-9"}
    assert len(between.places) == len(between.modality) == len(between.ids) == 48
    kept = [n for n, identifier in enumerate(before.ids) if identifier in between.ids]
    assert np.array_equal(before.places[kept], between.places)


def test_a_large_map_starts_with_principal_components(things, monkeypatch):
    """What takes long is preceded by the principal plane, marked stale."""
    monkeypatch.setattr("index.projection.SOON", 100)
    fill(things, clusters(400, 3)[0][0], "image")
    first = things.map(400)
    things._maps.wait()
    last = things.map(400)
    assert (first.method, first.fresh) == ("pca", False)
    assert (last.method, last.fresh) == ("umap", True)
    assert first.ids == last.ids


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_few_items_lie_by_their_principal_components(things, count):
    """Nothing, one, two and five items are a map too."""
    fill(things, clusters(5, 2)[0][0][:count], "image")
    found = things.map(10)
    assert (found.method, found.fresh, len(found.ids), found.total) == ("pca", True, count, count)
    assert np.isfinite(found.places).all()
    assert found.places.shape == (count, 2)


def test_equal_vectors_are_one_place(things):
    """Forty copies of one vector break nothing."""
    fill(things, np.repeat(clusters(1, 1)[0][0], 40, axis=0), "image")
    found = finished(things)
    assert np.isfinite(found.places).all()
    assert len(found.ids) == 40


def test_an_item_of_several_rows_is_one_point_at_their_mean(things):
    """A recording of two segments lies where their mean lies."""
    vectors = clusters(6, 6)[0][0]
    fill(things, vectors[:4], "image")
    segments = Row(vectors[4], Segment(0.0, 1.0)), Row(vectors[5], Segment(1.0, 2.0))
    things.upsert([Item("long", "image", segments)])
    found = things.map(10)
    means = np.stack([*vectors[:4], vectors[4:6].mean(axis=0)])
    expected = framed(principal(means, 2).of(means))
    assert found.ids[-1] == "long"
    assert np.allclose(found.places, expected, atol=1e-4)


def test_more_items_than_the_limit_are_sampled_by_modality(things):
    """A rare modality keeps more than its share; the choice is the same each time and within the limit."""
    vectors = clusters(300, 4)[0]
    fill(things, vectors[0], "image")
    fill(things, vectors[1][:20], "audio")
    found = finished(things, 100)
    of_audio = sum(identifier.startswith("audio") for identifier in found.ids)
    assert 90 <= len(found.ids) <= 100
    assert found.total == 320
    assert of_audio >= 12
    assert found.ids == finished(things, 100).ids
    assert len({*found.ids}) == len(found.ids)


def test_quotas_are_kept():
    """All places are given, none has more than it has items, and each has one where there are as many."""
    for counts in ({"a": 5, "b": 100_000}, {"a": 1, "b": 1, "c": 1}, {"a": 10**6, "b": 10**6, "c": 3}):
        for limit in (1, 2, 3, 10, 47, 1000):
            shares = quotas(counts, limit)
            assert sum(shares.values()) == min(limit, sum(counts.values()))
            assert all(int(limit >= len(counts)) <= shares[name] <= counts[name] for name in counts)


def test_many_points_have_their_true_neighbours():
    """The inverted file of large maps finds what comparing all pairs finds."""
    vectors = clusters(12_000, 40)[0].reshape(-1, DIM)
    numbers, distances = nearest(vectors, 10)
    some = np.arange(0, len(vectors), 97)
    index = faiss.IndexFlatL2(DIM)
    index.add(vectors)
    truth = index.search(vectors[some], 11)[1][:, 1:]
    assert shared(truth, numbers[some]) > 0.95
    assert (np.diff(distances, axis=1) >= 0).all()


def test_weights_of_neighbours_add_up_to_the_logarithm_of_their_number():
    """The paper's equation for the scale of a point, with the nearest at 1."""
    distances = np.sort(np.random.default_rng(0).random((50, 15)).astype(np.float32), axis=1)
    weights = closeness(distances)
    assert np.allclose(weights.sum(axis=1), np.log2(15), atol=1e-3)
    assert (weights[:, 0] == 1).all()


def test_principal_components_are_those_of_the_covariance():
    """The variance along them is numpy's largest eigenvalues."""
    vectors = np.random.default_rng(0).normal(size=(2_000, 40)).astype(np.float32) * np.geomspace(10, 0.1, 40)
    vectors = vectors.astype(np.float32)
    found = principal(vectors, 5).of(vectors).var(axis=0)
    truth = np.linalg.eigvalsh(np.cov(vectors.T, bias=True))[::-1][:5]
    assert np.allclose(found, truth, rtol=1e-3)


def test_closing_ends_the_making_of_a_map(tmp_path, monkeypatch):
    """A collection that is closed while a map would take minutes is closed soon, and says so afterwards."""
    monkeypatch.setattr("index.projection_layout.STEPS", 1_000_000)
    monkeypatch.setattr("index.projection.SOON", 10)
    store, collection = collection_in(tmp_path, dimension=DIM)
    fill(collection, clusters(2_000, 3)[0][0], "image")
    assert collection.map(5_000).method == "pca"
    store.close()
    with pytest.raises(errors.Closed):
        collection.map(5_000)


def test_searches_and_writes_go_on_while_a_map_is_made(things, monkeypatch):
    """Both end before a map that would take minutes."""
    monkeypatch.setattr("index.projection_layout.STEPS", 1_000_000)
    monkeypatch.setattr("index.projection.SOON", 10)
    vectors = clusters(1_000, 3)[0][0]
    fill(things, vectors, "image")
    assert things.map(5_000).method == "pca"
    fill(things, vectors[:1], "audio")
    assert things.search(vectors[5], query_modality="image", modalities=["image"], limit=1)[0].id == "image-5"
    assert not things.map(5_000).fresh


def numbers(text, kind):
    return np.frombuffer(base64.b64decode(text), dtype=kind)


def test_maps_over_http_are_compact_arrays(client, collection):
    """One number of each kind for every id; deleted items are gone from the next answer."""
    items = [{"id": f"t{n}", "content": f"a sentence about {n}"} for n in range(40)]
    client.post(f"{collection}/items", json={"items": items})
    give_up = time.monotonic() + PATIENCE_S
    while (told := client.get(f"{collection}/map").json())["state"] != "fresh":
        assert time.monotonic() < give_up
        time.sleep(0.01)
    assert (told["points"], told["total"], told["modalities"]) == (40, 40, ["text"])
    assert sorted(told["ids"]) == sorted(item["id"] for item in items)
    x, y = numbers(told["x"], "<f4"), numbers(told["y"], "<f4")
    assert len(x) == len(y) == len(numbers(told["modality"], np.uint8)) == 40
    assert max(np.abs(x).max(), np.abs(y).max()) == pytest.approx(1)
    client.delete(f"{collection}/items/t3")
    after = client.get(f"{collection}/map").json()
    assert "t3" not in after["ids"]
    assert len(numbers(after["x"], "<f4")) == after["points"] == 39


def test_an_empty_collection_is_an_empty_map(client, collection):
    """Zero points and no error."""
    answer = client.get(f"{collection}/map")
    assert answer.status_code == 200
    told = answer.json()
    assert (told["points"], told["total"], told["ids"], told["x"], told["modalities"]) == (0, 0, [], "", [])


def test_bad_requests_for_maps_say_why(client, collection):
    """An unknown collection is 404, a limit outside its range 400 with its name."""
    assert client.get("/v1/collections/nowhere/map").status_code == 404
    for limit in ("0", "100001", "many"):
        answer = client.get(f"{collection}/map", params={"limit": limit})
        assert answer.status_code == 400
        assert answer.json()["error"]["param"] == "limit"


def test_a_dropped_collection_takes_its_map_along(tmp_path):
    """A collection made anew under the same name starts with no points and another generation."""
    with Store.open(tmp_path) as store:
        words = {"model": "m", "identity": "i", "dimension": DIM}
        first, _ = store.create("things", **words)
        fill(first, clusters(10, 2)[0][0], "image")
        before = first.map(10)
        store.drop("things")
        after = store.create("things", **words)[0].map(10)
    assert len(before.ids) == 10
    assert len(after.ids) == 0
    assert before.generation != after.generation
