"""Arithmetic: what has both concepts of a blend comes before what has one; a minus pushes its own down."""

import base64
import csv
import io
import itertools
import os
import zipfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import soundfile

import models
from models.samples import AudioSample, TextSample
from tests.media_files import wav_of
from tests.small_embedder import DIM

EXAMPLES = Path(__file__).parent.parent / "examples"
RATE = 16_000
SAID = {"dog": "a dog barking", "rooster": "a rooster crowing", "sea": "waves crashing on the shore"}
PAIRS = list(itertools.combinations(SAID, 2))


def axis(number):
    return [float(place == number) for place in range(DIM)]


def vector(*numbers):
    """A vector with a share of each of these concepts."""
    return {"vector": [sum(values) for values in zip(*map(axis, numbers), strict=True)]}


def searched(client, collection, query, **options):
    answer = client.post(f"{collection}/search", json={"query": query, "limit": 50, **options})
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]


@pytest.fixture
def shelf(client, collection):
    """Items of the concepts 0, 1 and 2: each alone, each pair, all three."""
    held = [kept for count in (1, 2, 3) for kept in itertools.combinations(range(3), count)]
    items = [{"id": "+".join(map(str, kept)), **vector(*kept), "modality": "text"} for kept in held]
    assert client.post(f"{collection}/items", json={"items": items}).json()["stored"] == 7
    return collection


def test_what_has_both_comes_before_what_has_one(client, shelf):
    """The pair first, then all three, then each of the two alone, the third nowhere near."""
    found = [one["id"] for one in searched(client, shelf, [vector(0), vector(1)])]
    assert found[:2] == ["0+1", "0+1+2"]
    assert found[-1] == "2"
    assert set(found[2:6]) == {"0", "1", "0+2", "1+2"}


def test_weights_lead_towards_the_heavier_part(client, shelf):
    """With three times the weight, what has only the heavy one comes before what has only the light one."""
    for heavy, light in ((0, 1), (1, 0)):
        query = {"parts": [{**vector(heavy), "weight": 3}, vector(light)]}
        found = [one["id"] for one in searched(client, shelf, query)]
        assert found.index(str(heavy)) < found.index(str(light))


def test_a_negative_part_pushes_its_concept_down(client, shelf):
    """What has both concepts falls further behind, and what has only the unwanted one is last."""
    both = {one["id"]: one["score"] for one in searched(client, shelf, vector(0))}
    query = [vector(0), {**vector(1), "weight": -0.5}]
    found = searched(client, shelf, query)
    scores = {one["id"]: one["score"] for one in found}
    assert found[0]["id"] == "0"
    assert scores["0"] - scores["0+1"] > both["0"] - both["0+1"]
    assert scores["1"] < 0
    assert found[-1]["id"] in {"1", "1+2"}


def blend_of(a, b, weight):
    mixed = np.array(axis(a)) + weight * np.array(axis(b))
    return mixed / np.linalg.norm(mixed)


@pytest.mark.parametrize("weight", [2.0, 0.5, -0.5, -3.0])
def test_weights_mean_the_same_everywhere(client, shelf, weight):
    """Embeddings, similarity, classification and search see the one blend, negative weights included."""
    parts = {"parts": [vector(0), {**vector(1), "weight": weight}]}
    expected = blend_of(0, 1, weight)
    embedded = client.post("/v1/embeddings", json={"input": [parts]}).json()["data"][0]["embedding"]
    assert np.allclose(embedded, expected, atol=1e-6)
    scores = client.post("/v1/similarity", json={"a": [parts], "b": [vector(0), vector(1)]}).json()["scores"]
    assert np.allclose(scores, [[expected[0], expected[1]]], atol=1e-6)
    found = {one["id"]: one["score"] for one in searched(client, shelf, parts)}
    assert found["0"] == pytest.approx(expected[0], abs=1e-6)
    assert found["1"] == pytest.approx(expected[1], abs=1e-6)
    request = {"input": parts, "labels": ["dog"]}
    label = client.post("/v1/embeddings", json={"input": "dog"}).json()["data"][0]["embedding"]
    score = client.post("/v1/classify", json=request).json()["data"][0]["labels"][0]["score"]
    assert score == pytest.approx(float(np.array(label) @ expected), abs=1e-5)


@pytest.fixture(scope="module")
def small():
    return models.load("sensorium-small", modalities=["text", "audio"])


def sound(name):
    samples, rate = soundfile.read(EXAMPLES / f"{name}.ogg", dtype="float32")
    assert rate == RATE
    return samples.mean(1) if samples.ndim > 1 else samples


@pytest.fixture(scope="module")
def recordings():
    """The three example sounds, and for each pair of them a recording with one after the other."""
    alone = {name: sound(name) for name in SAID}
    return alone | {f"{a}+{b}": np.concatenate([alone[a], alone[b]]) for a, b in PAIRS}


@pytest.fixture
def heard(serve, small, recordings):
    """A server with the bundled model and the recordings, and the path of their collection."""
    client = serve(small)
    client.put("/v1/collections/heard")
    items = [
        {"id": name, "content": {"audio": base64.b64encode(wav_of(samples)).decode()}}
        for name, samples in recordings.items()
    ]
    assert client.post("/v1/collections/heard/items", json={"items": items}).json()["stored"] == 6
    return client, "/v1/collections/heard"


def test_real_recordings_with_both_sounds_come_first(heard):
    """Two sentences ask; of real sounds, the one in which both are heard is the first of all."""
    client, collection = heard
    for a, b in PAIRS:
        found = [one["id"] for one in searched(client, collection, [SAID[a], SAID[b]])]
        assert found[0] == f"{a}+{b}"


def test_real_recordings_are_pushed_down_by_a_minus(heard):
    """A dog without the sea: the dog alone comes before the dog at the sea, and the sea falls."""
    client, collection = heard
    for a, b in itertools.permutations(SAID, 2):
        plain = {one["id"]: one["score"] for one in searched(client, collection, SAID[a])}
        query = [SAID[a], {"text": SAID[b], "weight": -0.5}]
        minus = {one["id"]: one["score"] for one in searched(client, collection, query)}
        pair = f"{a}+{b}" if f"{a}+{b}" in minus else f"{b}+{a}"
        assert minus[a] > minus[pair]
        assert minus[b] < plain[b]
        assert minus[a] - minus[pair] > plain[a] - plain[pair]


def val_sounds(root, most):
    """Concept -> label and waveforms of the val split, digits left out."""
    packs, found, labels = {}, defaultdict(list), {}
    with (root / "index.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["modality"] == "audio" and row["split"] == "val"]
    for row in rows:
        if "digits" in row["archive"] or len(found[row["concept"]]) == most:
            continue
        pack = packs.setdefault(row["archive"], zipfile.ZipFile(root / row["archive"]))
        labels[row["concept"]] = row["label"]
        found[row["concept"]].append(soundfile.read(io.BytesIO(pack.read(row["file"])), dtype="float32")[0])
    return {concept: (labels[concept], sounds) for concept, sounds in found.items() if len(sounds) == most}


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


@pytest.mark.skipif("SENSORIUM_DATA" not in os.environ, reason="SENSORIUM_DATA names the folder of real data")
def test_unseen_recordings_of_many_concepts(small):
    """Over pairs of ten concepts: what has both mostly scores higher, a minus nearly always parts them."""
    concepts = dict(list(val_sounds(Path(os.environ["SENSORIUM_DATA"]), 3).items())[:10])
    said = {c: small.embed("text", [TextSample(text=label)])[0] for c, (label, _) in concepts.items()}
    alone = {c: small.embed("audio", map(AudioSample, sounds)) for c, (_, sounds) in concepts.items()}
    wins, pushed = [], []
    for a, b in itertools.combinations(concepts, 2):
        joined = [np.concatenate(two) for two in zip(concepts[a][1], concepts[b][1], strict=True)]
        both = small.embed("audio", map(AudioSample, joined))
        one = np.concatenate([alone[a], alone[b]])
        plus, minus = unit(said[a] + said[b]), unit(said[a] - 0.5 * said[b])
        wins.append(((both @ plus)[:, None] > (one @ plus)[None]).mean())
        fall = (alone[a] @ minus).mean() - (both @ minus).mean()
        pushed.append(fall > (alone[a] @ said[a]).mean() - (both @ said[a]).mean())
    assert np.mean(wins) > 0.6
    assert np.mean(pushed) > 0.9
