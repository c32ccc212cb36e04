"""Search over HTTP: with anything, among anything, arranged as asked."""

import base64

import numpy as np
import pytest

from tests import media_files as files
from tests.small_embedder import DIM


def b64(data):
    return base64.b64encode(data).decode()


def axis(*weights):
    """A vector with these leading numbers, zeros after them."""
    return [*map(float, weights), *([0.0] * (DIM - len(weights)))]


def search(client, collection, query, **fields):
    answer = client.post(f"{collection}/search", json={"query": query, **fields})
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]


def ids(results):
    return [each["id"] for each in results]


@pytest.fixture
def shelf(client, collection):
    """Vectors on and between two axes, in three modalities."""
    vectors = {
        "x": ("image", axis(1), {"kind": "pure", "n": 1}),
        "y": ("image", axis(0, 1), {"kind": "pure", "n": 2}),
        "xy": ("image", axis(1, 1), {"kind": "mixed", "n": 3}),
        "xxy": ("audio", axis(2, 1), {"kind": "mixed", "n": 4}),
        "z": ("imu", axis(0, 0, 1), {"n": 5}),
    }
    items = [
        {"id": name, "vector": vector, "modality": modality, "metadata": metadata}
        for name, (modality, vector, metadata) in vectors.items()
    ]
    assert client.post(f"{collection}/items", json={"items": items}).json()["stored"] == 5
    return collection


X, Y = {"vector": axis(1)}, {"vector": axis(0, 1)}


@pytest.mark.parametrize(
    "part",
    [
        "a dog barking",
        {"image": b64(files.jpeg())},
        {"audio": b64(files.wav())},
        {"video": b64(files.mp4())},
        {"depth": b64(files.depth_png())},
        {"thermal": b64(files.thermal8_png())},
        {"imu": b64(files.imu_csv())},
    ],
    ids=["text", "image", "audio", "video", "depth", "thermal", "imu"],
)
def test_what_was_stored_is_found_by_itself(client, collection, part):
    """Each modality, with its own content as the query: first, with cosine 1."""
    others = [{"id": f"other-{i}", "content": f"something else {i}"} for i in range(5)]
    items = [{"id": "it", "content": part, "metadata": {"k": "v"}}, *others]
    assert client.post(f"{collection}/items", json={"items": items}).json()["stored"] == 6
    first = search(client, collection, part, limit=3)[0]
    assert (first["id"], first["metadata"]) == ("it", {"k": "v"})
    assert first["score"] == pytest.approx(1, abs=1e-5)


def test_scores_are_cosines_and_the_limit_holds(client, shelf):
    """One modality, ordered by score."""
    results = search(client, shelf, X, modalities=["image"], limit=2)
    assert ids(results) == ["x", "xy"]
    assert [each["score"] for each in results] == pytest.approx([1, np.sqrt(0.5)], abs=1e-6)
    assert ids(search(client, shelf, X, modalities=["image"], limit=2, offset=1)) == ["xy", "y"]


def test_conditions_narrow_the_results(client, shelf):
    """Modalities, filter, threshold and quota."""
    assert ids(search(client, shelf, X, modalities=["audio", "imu"], calibrate=False)) == ["xxy", "z"]
    mixed = {"must": [{"key": "kind", "match": {"value": "mixed"}}]}
    assert set(ids(search(client, shelf, X, filter=mixed))) == {"xy", "xxy"}
    assert set(ids(search(client, shelf, X, score_threshold=0.8))) == {"x", "xxy"}
    one_each = search(client, shelf, X, per_modality=1)
    assert sorted(each["modality"] for each in one_each) == ["audio", "image", "imu"]


def test_results_hold_what_is_asked_for(client, shelf):
    """Metadata by default, vectors on demand."""
    [bare] = search(client, shelf, X, limit=1, modalities=["image"], with_metadata=False)
    assert "metadata" not in bare
    assert "vector" not in bare
    [full] = search(client, shelf, X, limit=1, modalities=["image"], with_vector=True)
    assert np.allclose(full["vector"], axis(1), atol=1e-6)
    assert full["metadata"] == {"kind": "pure", "n": 1}


def test_an_item_as_query_is_not_its_own_result(client, shelf):
    """`{"id": "x"}` looks like x and leaves x out."""
    results = search(client, shelf, {"id": "x"}, modalities=["image"])
    assert ids(results) == ["xy", "y"]
    assert results[0]["score"] == pytest.approx(np.sqrt(0.5), abs=1e-6)


def test_parts_add_up_and_take_away(client, shelf):
    """x plus y is nearest to xy; xy minus y is nearest to x; a stored item takes part and is left out."""
    assert ids(search(client, shelf, [X, Y], modalities=["image"]))[0] == "xy"
    assert ids(search(client, shelf, {"parts": [X, Y]}, modalities=["image"]))[0] == "xy"
    minus = [{"id": "xy"}, {**Y, "weight": -0.7}]
    results = ids(search(client, shelf, minus, modalities=["image"]))
    assert results[0] == "x"
    assert "xy" not in results


def test_ranks_can_be_fused(client, shelf):
    """`rrf`: one search per part, ordered by the sum of 1 / (60 + rank); `score` is the best cosine."""
    results = search(client, shelf, [X, Y], fusion="rrf", modalities=["image"])
    assert ids(results) == ["x", "y", "xy"]
    expected = {"x": 1 / 61 + 1 / 63, "xy": 1 / 62 + 1 / 62, "y": 1 / 63 + 1 / 61}
    assert {each["id"]: each["rrf"] for each in results} == pytest.approx(expected)
    assert {each["id"]: each["score"] for each in results} == pytest.approx(
        {"x": 1, "y": 1, "xy": np.sqrt(0.5)}, abs=1e-6
    )
    heavy = search(client, shelf, [{**X, "weight": 3}, Y], fusion="rrf", modalities=["image"])
    assert ids(heavy)[0] == "x"
    refused = client.post(
        f"{shelf}/search", json={"query": [X, {**Y, "weight": -1}], "fusion": "rrf"}
    ).json()["error"]
    assert refused["param"] == "fusion"


def test_groups_show_their_best(client, shelf):
    """One result per value of a metadata key; items without the key are left out."""
    results = search(client, shelf, X, group_by="kind", calibrate=False)
    assert [(each["id"], each["group"]) for each in results] == [("x", "pure"), ("xxy", "mixed")]
    assert ids(search(client, shelf, X, group_by="kind", calibrate=False, limit=1, offset=1)) == ["xxy"]


def test_groups_are_looked_for_beyond_the_first_candidates(client, collection):
    """Three hundred of one group are nearer than the only one of the other."""
    near = [
        {"id": f"near-{i}", "vector": axis(1, i * 1e-4), "modality": "image", "metadata": {"g": "a"}}
        for i in range(300)
    ]
    far = {"id": "far", "vector": axis(1, 1), "modality": "image", "metadata": {"g": "b"}}
    for start in range(0, 300, 60):
        client.post(f"{collection}/items", json={"items": near[start : start + 60]})
    client.post(f"{collection}/items", json={"items": [far]})
    assert ids(search(client, collection, X, group_by="g", limit=2)) == ["near-0", "far"]


def test_diversity_passes_over_near_duplicates(client, collection):
    """Without it two copies lead; with it the second place goes to something else."""
    vectors = {"a": axis(1, 0.01), "copy": axis(1, 0.02), "other": axis(1, 0, 0.9)}
    items = [{"id": name, "vector": vector, "modality": "image"} for name, vector in vectors.items()]
    client.post(f"{collection}/items", json={"items": items})
    assert ids(search(client, collection, X)) == ["a", "copy", "other"]
    assert ids(search(client, collection, X, diversity=0.8)) == ["a", "other", "copy"]


def test_answers_name_the_model_and_what_was_cut(client, shelf):
    """`model` and `notes` beside the results."""
    body = client.post(f"{shelf}/search", json={"query": "long " * 40}).json()
    assert body["model"] == "small-test"
    assert body["notes"] == ["text cut to 77 tokens"]


def test_a_faulty_filter_is_named(client, shelf):
    """The parameter is `filter`, the message says where in it and what is accepted."""
    faulty = {"must": [{"key": "n", "range": {"above": 1}}]}
    error = client.post(f"{shelf}/search", json={"query": X, "filter": faulty}).json()["error"]
    assert (error["param"], error["code"]) == ("filter", "invalid_filter")
    assert "must[0].range" in error["message"]
    assert "gte" in error["message"]


def test_an_empty_collection_has_no_results(client, collection):
    """200 with an empty list, whatever is asked."""
    for fields in ({}, {"group_by": "k"}, {"diversity": 0.5}, {"fusion": "rrf"}, {"recall": 0.99}):
        assert search(client, collection, ["a", "b"], **fields) == []
