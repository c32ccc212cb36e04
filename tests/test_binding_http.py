"""A toy seventh sense, bound by its names alone, in the running service: stored, found, searched with."""

import base64
import json
from pathlib import Path

import httpx
import numpy as np
import pytest
from typer.testing import CliRunner

import models
from service.app import create_app
from service.cli import cli
from service.settings import Settings
from tests.conftest import PATIENCE_S, running, wait_until_ready
from tests.touches import CONCEPTS, npy, touch, write_pairs
from training.binding.bind import Request, bind
from training.binding.config import BindConfig

EXAMPLES = Path(__file__).parent.parent / "examples"
PICTURES = {"a cat": "cat.jpg", "a cup of coffee": "coffee.jpg", "a rocket": "rocket.jpg"}
NEW = range(100, 104)  # strokes that the tower has not learned from


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return write_pairs(tmp_path_factory.mktemp("pairs"))


@pytest.fixture(scope="module")
def bound(pairs, tmp_path_factory):
    """The folder that the command makes."""
    folder = tmp_path_factory.mktemp("bound") / "touch"
    options = ["--modality", "touch", "--out", folder, "--steps", 60, "--batch", 48]
    done = CliRunner().invoke(cli, ["bind", str(pairs), *map(str, options)])
    assert done.exit_code == 0, done.output
    assert "chance 0.125" in done.stdout
    assert f"sensorium serve --model sensorium-small --bound {folder}" in done.stdout
    return folder


@pytest.fixture(scope="module")
def client(bound, tmp_path_factory):
    """A server that loads the sense by its settings, with strokes, names and pictures in a collection."""
    app = create_app(Settings(bound=str(bound), data_dir=tmp_path_factory.mktemp("data")))
    with running(app) as url:
        wait_until_ready(url)
        with httpx.Client(base_url=url, timeout=PATIENCE_S) as client:
            fill(client)
            yield client


def fill(client):
    assert client.put("/v1/collections/things").status_code == 201
    strokes = [("file", (f"{c} {n}.npy", npy(touch(c, n)))) for c in CONCEPTS for n in NEW]
    posted = client.post("/v1/collections/things/items", files=strokes, data={"modality": "touch"})
    assert posted.json()["stored"] == len(strokes), posted.text
    pictures = [("file", (name, (EXAMPLES / name).read_bytes())) for name in PICTURES.values()]
    assert client.post("/v1/collections/things/items", files=pictures).json()["stored"] == len(pictures)
    texts = [{"id": concept, "content": concept} for concept in CONCEPTS]
    assert client.post("/v1/collections/things/items", json={"items": texts}).json()["stored"] == len(texts)


def part(concept, number):
    return {"touch": base64.b64encode(npy(touch(concept, number))).decode()}


def results(client, query, **more):
    answer = client.post("/v1/collections/things/search", json={"query": query, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]


def test_the_sense_is_listed(client, bound):
    """Readiness, models with the identity of its tower, and OpenAPI, where other senses stay as they are."""
    card = json.loads((bound / "modality.json").read_text())
    assert client.get("/readyz").json()["modalities"][-1] == "touch"
    model = client.get("/v1/models/sensorium-small").json()
    assert model["bound"] == {"touch": card["identity"]}
    assert model["identity"] == card["bound_to"]["identity"]
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    assert schemas["TouchPart"]["required"] == ["touch"]
    assert schemas["Modality"]["enum"][-2:] == ["imu", "touch"]
    assert client.get("/v1/collections/things").json()["items"]["touch"] == len(CONCEPTS) * len(NEW)


def test_sentences_find_the_strokes(client):
    """The four nearest strokes are of the thing said, far more often than one in eight."""
    found = [
        hit["metadata"]["file"].startswith(concept)
        for concept in CONCEPTS
        for hit in results(client, concept, modalities=["touch"], limit=len(NEW))
    ]
    assert np.mean(found) > 0.8


def test_strokes_find_names_and_pictures(client):
    """Names they were trained with, and photographs they were never paired with (chance 1/8 and 1/3)."""
    names = [
        results(client, part(concept, 200), modalities=["text"], limit=1)[0]["id"] == concept
        for concept in CONCEPTS
    ]
    pictures = [
        results(client, part(concept, number), modalities=["image"], limit=1)[0]["metadata"]["file"] == file
        for concept, file in PICTURES.items()
        for number in range(200, 204)
    ]
    assert np.mean(names) > 0.8
    assert np.mean(pictures) > 0.6


def test_scores_of_all_shelves_are_calibrated(client):
    """The stroke's own kind, its name and its picture stand in one list, by how far they lie above chance."""
    hits = results(client, part("a cat", 201), limit=10)
    calibrated = [hit["calibrated"] for hit in hits]
    assert calibrated == sorted(calibrated, reverse=True)
    assert {"touch", "text"} <= {hit["modality"] for hit in hits}


def test_one_vector_by_every_door(client, bound):
    """JSON, upload, the library and the command give the same; a blend and a stored item work as well."""
    stroke = touch("a dog", 300)
    posted = client.post("/v1/embeddings", json={"input": part("a dog", 300)}).json()["data"][0]
    uploaded = client.post("/v1/embeddings/touch", files={"file": ("x.npy", npy(stroke))}).json()["data"][0]
    embedder = models.load("sensorium-small", modalities=["text"], bound=[bound])
    [expected] = embedder.embed("touch", [embedder.decode("touch", npy(stroke))])
    assert np.abs(np.array(posted["embedding"]) - expected).max() < 1e-5
    assert posted["modality"] == uploaded["modality"] == "touch"
    assert np.abs(np.array(uploaded["embedding"]) - expected).max() < 1e-5
    blend = [part("a dog", 300), {"text": "a dog", "weight": 0.5}]
    assert results(client, blend, modalities=["text"], limit=1)[0]["id"] == "a dog"
    stored = results(client, "a dog", modalities=["touch"], limit=1)[0]["id"]
    assert results(client, {"id": stored}, modalities=["text"], limit=1)[0]["id"] == "a dog"


def test_strokes_are_classified_and_compared(client):
    """Zero-shot with the tower's own temperature; cosines with sentences."""
    inputs = [part(concept, 301) for concept in CONCEPTS]
    answer = client.post("/v1/classify", json={"input": inputs, "labels": list(CONCEPTS)}).json()
    best = [each["labels"][0] for each in answer["data"]]
    assert np.mean([each["label"] == concept for each, concept in zip(best, CONCEPTS, strict=True)]) > 0.8
    assert best[0]["probability"] > 0.3
    body = {"a": [part("a violin", 302)], "b": ["a violin", "a dog"]}
    [[same, other]] = client.post("/v1/similarity", json=body).json()["scores"]
    assert same > other


@pytest.mark.parametrize(
    ("data", "status", "said"),
    [
        (npy(np.zeros((32, 4), np.float32)), 422, r"(32, 4); accepted is (samples, 3)"),
        (npy(np.full((32, 3), np.nan, np.float32)), 422, "which is no finite number"),
        (b"a,b,c\n1,2,x\n", 422, "line 2, column 3 holds 'x'"),
        ((EXAMPLES / "cat.jpg").read_bytes(), 415, "accepted are .npy and CSV; these bytes look like JPEG"),
    ],
)
def test_what_is_no_stroke_is_refused(client, data, status, said):
    """With the shape or the place that is wrong, and what is accepted."""
    answer = client.post("/v1/embeddings/touch", files={"file": ("x", data)})
    assert answer.status_code == status, answer.text
    assert said in answer.json()["error"]["message"]


def test_a_stroke_on_another_scale_gets_a_note(client):
    """Counts in place of the unit that was trained with are not refused, but not passed over either."""
    answer = client.post("/v1/embeddings/touch", files={"file": ("x.npy", npy(touch("a cat", 1) * 1000))})
    [note] = answer.json()["data"][0]["notes"]
    assert "are they on the same scale?" in note


def test_the_command_embeds_and_says_what_there_is(bound, tmp_path):
    """`sensorium embed --bound`; without the folder the name is unknown."""
    file = tmp_path / "x.npy"
    file.write_bytes(npy(touch("a cat", 5)))
    words = ["embed", "--modality", "touch", str(file)]
    done = CliRunner().invoke(cli, [*words, "--bound", str(bound)])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["modality"] == "touch"
    assert CliRunner().invoke(cli, words).exit_code == 1


def test_a_tower_trained_again_is_kept_from_the_old_items(pairs, bound, tmp_path):
    """Same name, another tower: old items are left out, by name they are refused; the rest goes on."""
    plain = models.load("sensorium-small", modalities=["text"])
    again = tmp_path / "again"
    bind(plain, Request(pairs, "touch", again), BindConfig(steps=2, seed=1), lambda _: None)
    for folder in (bound, again):
        embedder = models.load("sensorium-small", modalities=["text"], bound=[folder])
        assert embedder.identity == plain.identity
        with running(create_app(Settings(data_dir=tmp_path / "data"), embedder)) as url:
            wait_until_ready(url)
            with httpx.Client(base_url=f"{url}/v1/collections", timeout=PATIENCE_S) as client:
                check = first_visit if folder is bound else second_visit
                check(client)


def first_visit(client):
    client.put("/things")
    items = [{"id": "stroke", "content": part("a cat", 1)}, {"id": "name", "content": "a cat"}]
    assert client.post("/things/items", json={"items": items}).json()["stored"] == 2


def second_visit(client):
    found = client.post("/things/search", json={"query": "a cat"}).json()
    assert [hit["id"] for hit in found["results"]] == ["name"]
    assert "left out: the touch items" in found["notes"][0]
    named = client.post("/things/search", json={"query": "a cat", "modalities": ["touch"]})
    assert (named.status_code, named.json()["error"]["code"]) == (409, "identity_mismatch")
    items = [{"id": "new", "content": part("a cat", 2)}, {"id": "other", "content": "a dog"}]
    stored = client.post("/things/items", json={"items": items}).json()
    assert stored["results"][0]["error"]["code"] == "identity_mismatch"
    assert stored["results"][1]["status"] == "stored"
    client.delete("/things/items/stroke")
    again = client.post("/things/items", json={"items": items[:1]}).json()
    assert again["results"][0]["status"] == "stored"
