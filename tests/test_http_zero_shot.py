"""Classification and similarity over HTTP."""

import numpy as np
import pytest

from tests.small_embedder import DIM


def vector_of(client, text):
    return np.array(client.post("/v1/embeddings", json={"input": text}).json()["data"][0]["embedding"])


def test_similarity_is_the_matrix_of_cosines(client):
    """Rows for `a`, columns for `b`; a part with itself gives 1."""
    body = client.post("/v1/similarity", json={"a": ["a dog", "rain"], "b": ["rain", "snow", "a dog"]}).json()
    expected = [
        [vector_of(client, a) @ vector_of(client, b) for b in ("rain", "snow", "a dog")]
        for a in ("a dog", "rain")
    ]
    assert np.allclose(body["scores"], expected, atol=1e-6)
    assert body["scores"][1][0] == pytest.approx(1, abs=1e-6)
    assert body["model"] == "small-test"


def test_classification_puts_the_label_that_fits_first(client):
    """Probabilities are a softmax of the cosines at the model's temperature, over all labels."""
    labels = ["a cat", "a dog", "rain"]
    request = {"input": ["a dog", {"vector": [1.0] * DIM}], "labels": labels, "top_k": 2}
    first, second = client.post("/v1/classify", json=request).json()["data"]
    cosines = np.array([vector_of(client, "a dog") @ vector_of(client, label) for label in labels])
    weights = np.exp(20.0 * cosines)
    assert first["labels"][0]["label"] == "a dog"
    assert first["labels"][0]["probability"] == pytest.approx(weights[1] / weights.sum(), abs=1e-4)
    assert len(first["labels"]) == len(second["labels"]) == 2
    assert (first["modality"], second["index"]) == ("text", 1)


def test_templates_are_averaged(client):
    """Two prompts for each label: the unit mean of their vectors."""
    request = {"input": "a dog", "labels": ["dog"], "templates": ["a {}", "the {}"]}
    [result] = client.post("/v1/classify", json=request).json()["data"]
    mean = vector_of(client, "a dog") + vector_of(client, "the dog")
    expected = vector_of(client, "a dog") @ (mean / np.linalg.norm(mean))
    assert result["labels"][0]["score"] == pytest.approx(expected, abs=1e-6)
    named = client.post("/v1/classify", json={**request, "templates": "photo"})
    assert named.status_code == 200


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"labels": []}, 400, "labels"),
        ({"labels": [""]}, 400, "labels[0]"),
        ({"templates": "no-such"}, 400, "templates"),
        ({"templates": ["a label"]}, 400, "templates[0]"),
        ({"top_k": 0}, 400, "top_k"),
        ({"labels": ["x"] * 10_001}, 413, "labels"),
        ({"input": {"image": "%%%"}}, 422, "input"),
    ],
)
def test_what_cannot_be_classified_is_refused(client, fields, status, param):
    """With the place of the fault."""
    answer = client.post("/v1/classify", json={"input": "a dog", "labels": ["dog"], **fields})
    assert (answer.status_code, answer.json()["error"]["param"]) == (status, param)
