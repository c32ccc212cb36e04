"""What /metrics tells agrees with what was done."""

import re

import pytest
from fastapi.testclient import TestClient

from index import Store
from service.app import create_app
from service.settings import Settings
from tests.small_embedder import small_embedder


@pytest.fixture
def client(tmp_path):
    with Store.open(tmp_path) as store, TestClient(create_app(Settings(), small_embedder(), store)) as client:
        yield client


def figures(client):
    """Sample line without its number -> number."""
    lines = client.get("/metrics").text.splitlines()
    found = [re.fullmatch(r"(\S+(?:\{.*\})?) (\S+)", line) for line in lines if not line.startswith("#")]
    return {match[1]: float(match[2]) for match in found}


def test_requests_are_counted_by_the_pattern_of_their_path(client):
    """Names of collections do not become labels, and unknown paths share one."""
    client.put("/v1/collections/one", json={})
    client.put("/v1/collections/two", json={})
    client.get("/nowhere")
    client.get("/elsewhere")
    told = figures(client)
    pattern = '{method="PUT",route="/v1/collections/{name}",status="201"}'
    assert told["sensorium_requests_total" + pattern] == 2
    assert told['sensorium_requests_total{method="GET",route="none",status="404"}'] == 2
    assert not any("/v1/collections/one" in name for name in told)


def test_encoders_tell_how_many_views_they_took(client):
    """Three texts are three views, decoded once each and gone through the encoder."""
    client.post("/v1/embeddings", json={"input": ["one", "two", "three"]})
    told = figures(client)
    assert told['sensorium_batch_views_sum{modality="text"}'] == 3
    assert told['sensorium_decode_seconds_count{modality="text"}'] == 3
    assert told['sensorium_queue_wait_seconds_count{modality="text"}'] == 3
    assert told['sensorium_encode_seconds_count{modality="text"}'] >= 1
    assert told['sensorium_queued_inputs{modality="text"}'] == 0


def test_refusals_are_counted_by_code(client):
    """A broken picture is one `invalid_media` or its like, and no 5xx."""
    answer = client.post("/v1/embeddings", json={"input": {"image": "aGVsbG8="}})
    code = answer.json()["error"]["code"]
    assert figures(client)[f'sensorium_refused_total{{code="{code}"}}'] == 1


def test_shelves_readiness_and_memory_are_told(client):
    """What stands in the collections, whether requests can be served, and the size of the process."""
    client.put("/v1/collections/notes", json={})
    client.post("/v1/collections/notes/items", json={"items": [{"content": "a"}, {"content": "b"}]})
    told = figures(client)
    assert told['sensorium_shelf_vectors{collection="notes",modality="text"}'] == 2
    assert told["sensorium_ready"] == 1
    assert told["process_resident_memory_bytes"] > 1e6
