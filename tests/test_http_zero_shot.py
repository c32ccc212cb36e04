"""Classification, label sets and similarity over HTTP."""

import base64
import dataclasses
import threading

import numpy as np
import pytest

from models.prompts import CLIP_7, NAMES, templates
from service.label_sets import LabelSets
from service.labels import MOST_LABELS
from tests import media_files as files
from tests.conftest import PATIENCE_S
from tests.small_embedder import DIM, small_embedder


def b64(data):
    return base64.b64encode(data).decode()


def vector_of(client, text):
    return np.array(client.post("/v1/embeddings", json={"input": text}).json()["data"][0]["embedding"])


def classified(client, **request):
    answer = client.post("/v1/classify", json={"input": "a dog", "labels": ["dog"], **request})
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


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
    first, second = classified(client, input=["a dog", {"vector": [1.0] * DIM}], labels=labels, top_k=2)
    cosines = np.array([vector_of(client, "a dog") @ vector_of(client, label) for label in labels])
    weights = np.exp(20.0 * cosines)
    assert first["labels"][0]["label"] == "a dog"
    assert first["labels"][0]["probability"] == pytest.approx(weights[1] / weights.sum(), abs=1e-4)
    assert len(first["labels"]) == len(second["labels"]) == 2
    assert (first["modality"], second["index"]) == ("text", 1)


def test_any_part_can_be_classified(client):
    """A picture, a sound, a blend, a text with a minus sign: each by the cosine to its own vector."""
    inputs = [
        {"image": b64(files.png())},
        {"audio": b64(files.wav())},
        {"parts": [{"text": "a dog"}, {"text": "rain", "weight": -0.5}]},
        {"text": "rain", "weight": -1},
    ]
    embedded = client.post("/v1/embeddings", json={"input": inputs}).json()["data"]
    label = vector_of(client, "dog")
    found = classified(client, input=inputs)
    assert [one["modality"] for one in found] == ["image", "audio", "text", "text"]
    for one, other in zip(found, embedded, strict=True):
        assert one["labels"][0]["score"] == pytest.approx(label @ np.array(other["embedding"]), abs=1e-6)


def test_templates_are_averaged(client):
    """Two prompts for each label: the unit mean of their vectors."""
    [result] = classified(client, templates=["a {}", "the {}"])
    mean = vector_of(client, "a dog") + vector_of(client, "the dog")
    expected = vector_of(client, "a dog") @ (mean / np.linalg.norm(mean))
    assert result["labels"][0]["score"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_templates_go_by_name(client, name):
    """Each named set is the list of its templates, in the words of the input's modality."""
    sound = {"audio": b64(files.wav())}
    by_name = classified(client, input=["a dog", sound], templates=name)
    for one, part in zip(by_name, ["a dog", sound], strict=True):
        written = list(templates(name, one["modality"]))
        [expected] = classified(client, input=part, templates=written)
        assert one["labels"] == expected["labels"]


@pytest.mark.parametrize(
    ("fields", "status", "param", "told"),
    [
        ({"labels": []}, 400, "labels", "at least one"),
        ({"labels": "dog"}, 400, "labels", "a list"),
        ({"labels": ["dog", " "]}, 400, "labels[1]", "not empty"),
        ({"labels": ["dog", 1]}, 400, "labels[1]", "a string"),
        ({"labels": ["dog", "cat", "dog"]}, 400, "labels[2]", "twice, first as labels[0]"),
        ({"labels": [str(i) for i in range(MOST_LABELS + 1)]}, 413, "labels", "at most 10000"),
        ({"labels": [str(i) for i in range(200)], "templates": "clip-80"}, 413, "labels", "16000 prompts"),
        ({"templates": "no-such"}, 400, "templates", "clip-80"),
        ({"templates": []}, 400, "templates", "at least one prompt"),
        ({"templates": ["a label"]}, 400, "templates[0]", "where the label goes"),
        ({"templates": ["{}"] * 1001}, 413, "templates", "at most 1000"),
        ({"top_k": 0}, 400, "top_k", ""),
        ({"labels": None}, 400, None, "either `labels` or `label_set`"),
        ({"label_set": "zoo"}, 400, None, "either `labels` or `label_set`"),
        ({"labels": None, "label_set": "no-such"}, 404, "label_set", "no label set 'no-such'"),
        ({"input": {"image": "%%%"}}, 422, "input", ""),
    ],
)
def test_what_cannot_be_classified_is_refused(client, fields, status, param, told):
    """With the place of the fault and what is accepted."""
    answer = client.post("/v1/classify", json={"input": "a dog", "labels": ["dog"], **fields})
    assert (answer.status_code, answer.json()["error"]["param"]) == (status, param)
    assert told in answer.json()["error"]["message"]


def test_a_label_set_is_stored_read_replaced_and_deleted(serve):
    """201 for a new one, 200 for one replaced, 404 once it is gone."""
    client = serve()
    made = client.put("/v1/label-sets/zoo", json={"labels": ["dog", "cat"], "templates": "clip-7"})
    assert made.status_code == 201
    assert client.get("/v1/label-sets/zoo").json() == made.json()
    assert made.json()["labels"] == ["dog", "cat"]
    replaced = client.put("/v1/label-sets/zoo", json={"labels": ["rain"], "templates": ["the {}"]})
    assert (replaced.status_code, replaced.json()["templates"]) == (200, ["the {}"])
    assert client.put("/v1/label-sets/a.b", json={"labels": ["x"]}).status_code == 201
    listed = client.get("/v1/label-sets").json()["data"]
    assert [(each["name"], each["count"], each["templates"]) for each in listed] == [
        ("a.b", 1, "plain"),
        ("zoo", 1, ["the {}"]),
    ]
    assert {name for each in listed for name in each} == {"name", "count", "templates", "created_at"}
    assert client.delete("/v1/label-sets/zoo").json() == {"name": "zoo", "deleted": True}
    gone = client.get("/v1/label-sets/zoo")
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "label_set_not_found")
    assert client.delete("/v1/label-sets/zoo").status_code == 404
    bad = client.put("/v1/label-sets/.zoo", json={"labels": ["x"]})
    assert (bad.status_code, bad.json()["error"]["code"]) == (400, "invalid_label_set_name")


def test_classifying_with_a_set_is_classifying_with_its_words(client):
    """Its own templates unless the request brings others."""
    labels = ["a cat", "a dog", "rain"]
    client.put("/v1/label-sets/words", json={"labels": labels, "templates": "clip-7"})
    by_set = classified(client, labels=None, label_set="words")
    assert by_set == classified(client, labels=labels, templates=list(CLIP_7))
    others = classified(client, labels=None, label_set="words", templates="plain")
    assert others == classified(client, labels=labels)
    assert others != by_set


class Counting:
    """A `prepare` that counts its calls."""

    def __init__(self, prepare):
        self.prepare = prepare
        self.calls = 0

    def __call__(self, sample):
        self.calls += 1
        return self.prepare(sample)


def counting_embedder(**kwargs):
    embedder = small_embedder(**kwargs)
    counting = Counting(embedder.towers["text"].prepare)
    tower = dataclasses.replace(embedder.towers["text"], prepare=counting)
    return dataclasses.replace(embedder, towers={**embedder.towers, "text": tower}), counting


def test_vectors_of_a_set_are_made_once_for_each_model(serve):
    """By the first request, even when several come at once; found again on disk; not with new words."""
    embedder, counting = counting_embedder()
    client = serve(embedder)
    labels = [f"label {i}" for i in range(30)]
    client.put("/v1/label-sets/thirty", json={"labels": labels, "templates": ["a {}", "the {}"]})
    request = {"input": {"vector": [1.0] * DIM}, "label_set": "thirty"}
    answers = []

    def ask():
        answers.append(client.post("/v1/classify", json=request).json()["data"])

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert answers == [answers[0]] * 4
    assert counting.calls == 60
    client.app.state.engine.label_vectors._known.clear()
    assert client.post("/v1/classify", json=request).json()["data"] == answers[0]
    assert counting.calls == 60
    client.put("/v1/label-sets/thirty", json={"labels": labels[:10]})
    assert len(client.post("/v1/classify", json={**request, "top_k": 99}).json()["data"][0]["labels"]) == 10
    assert counting.calls == 70


def test_the_same_labels_again_cost_nothing(serve):
    """Those of a request are remembered as well, and forgotten where they would take too much."""
    embedder, counting = counting_embedder()
    client = serve(embedder)
    request = {"input": {"vector": [1.0] * DIM}, "labels": ["dog", "cat"]}
    first = client.post("/v1/classify", json=request).json()
    assert client.post("/v1/classify", json=request).json() == first
    assert counting.calls == 2
    cache = client.app.state.engine.label_vectors
    cache.most_bytes = 3 * DIM * 4
    client.post("/v1/classify", json={**request, "labels": ["dog", "cat", "rain"]})
    assert len(cache._known) == 1
    client.post("/v1/classify", json=request)
    assert counting.calls == 7


def test_two_models_have_their_own_vectors_of_one_set(serve):
    """The set is words; each model says them in its own space."""
    client = serve([small_embedder(), small_embedder("small-other", seed=1)])
    client.put("/v1/label-sets/pair", json={"labels": ["dog", "cat"]})
    scores = {}
    for model in ("small-test", "small-other"):
        [one] = classified(client, labels=None, label_set="pair", model=model)
        [same] = classified(client, labels=["dog", "cat"], model=model)
        assert one == same
        scores[model] = {each["label"]: each["score"] for each in one["labels"]}
    assert scores["small-test"] != scores["small-other"]


def test_sets_survive_a_restart_and_damage_is_left_out(tmp_path):
    """What was answered is on disk; words that were cut off are not listed; a copy brings what is missing."""
    sets = LabelSets(tmp_path)
    sets.put("zoo", ["dog", "cat"], "clip-7")
    assert LabelSets(tmp_path).get("zoo").labels == ("dog", "cat")
    (tmp_path / "label-sets" / "broken").mkdir()
    (tmp_path / "label-sets" / "broken" / "labels.json").write_bytes(b'{"labels": [')
    assert [each.name for each in LabelSets(tmp_path).all()] == ["zoo"]
    other = tmp_path / "other"
    assert LabelSets(tmp_path).copy_to(other) == ["zoo"]
    assert LabelSets(other).get("zoo") == sets.get("zoo")
    assert LabelSets(tmp_path).copy_to(other) == []


def test_a_label_set_needs_labels(client):
    """Null, which `classify` takes for no labels of its own, stores nothing."""
    answer = client.put("/v1/label-sets/things", json={"labels": None})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "labels"
