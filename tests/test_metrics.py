"""What /metrics tells agrees with what was done."""

import re
import threading

import pytest
import torch
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from index import Store
from service.app import create_app
from service.settings import Settings
from tests.conftest import PATIENCE_S
from tests.small_embedder import small_embedder


@pytest.fixture
def client(tmp_path):
    with Store.open(tmp_path) as store, TestClient(create_app(Settings(), small_embedder(), store)) as client:
        yield client


class Gated(torch.nn.Module):
    """A tower that tells when it is entered and waits until it is let through."""

    def __init__(self, tower):
        super().__init__()
        self.tower, self.entered, self.open = tower, threading.Event(), threading.Event()
        self.broken = False

    def forward(self, views):
        self.entered.set()
        assert self.open.wait(PATIENCE_S)
        if self.broken:
            raise RuntimeError("a cosmic ray")
        return self.tower(views)


def test_counters_that_alarms_look_at_begin_with_zero(client):
    """An `increase` over a series that is born as 1 is 0, and the first failure would pass unseen."""
    told = client.get("/metrics").text
    assert 'sensorium_encode_failures_total{modality="text"} 0.0' in told
    assert 'sensorium_refused_total{code="storage_full"} 0.0' in told


def gated_embedder():
    """The small embedder with a gate before its text tower, and the gate."""
    embedder = small_embedder()
    tower = embedder.towers["text"]
    gate = Gated(tower.encoder)
    embedder.towers["text"] = type(tower)(tower.prepare, gate, tower.temperature)
    return embedder, gate


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
    client.head("/v1/collections/one")
    told = figures(client)
    pattern = '{method="PUT",route="/v1/collections/{name}",status="201"}'
    assert told["sensorium_requests_total" + pattern] == 2
    assert told['sensorium_requests_total{method="GET",route="none",status="404"}'] == 2
    assert told['sensorium_requests_total{method="HEAD",route="/v1/collections/{name}",status="200"}'] == 1
    assert not any("/v1/collections/one" in name for name in told)


def test_encoders_tell_how_many_views_they_took(client):
    """Three texts are three views, decoded once each and gone through the encoder."""
    client.post("/v1/embeddings", json={"input": ["one", "two", "three"]})
    told = figures(client)
    assert told['sensorium_batch_views_sum{modality="text"}'] == 3
    assert told['sensorium_batch_items_sum{modality="text"}'] == 3
    assert told['sensorium_decode_seconds_count{modality="text"}'] == 3
    assert told['sensorium_queue_wait_seconds_count{modality="text"}'] == 3
    assert told['sensorium_encode_seconds_count{modality="text"}'] >= 1
    assert told['sensorium_queued_inputs{modality="text"}'] == 0


def test_refusals_are_counted_by_code(client):
    """A broken picture is one `invalid_media` or its like, and no 5xx."""
    answer = client.post("/v1/embeddings", json={"input": {"image": "aGVsbG8="}})
    code = answer.json()["error"]["code"]
    assert figures(client)[f'sensorium_refused_total{{code="{code}"}}'] == 1


def test_bodies_that_are_refused_unread_are_counted(tmp_path):
    """By what their length says, and by what has come of a chunked one: each once, as `request_too_large`."""
    settings = Settings(data_dir=tmp_path / "data", max_body_bytes=1000)
    with TestClient(create_app(settings, small_embedder())) as client:
        headers = {"content-type": "application/json"}
        for count, body in enumerate((bytes(2000), (bytes(600) for _ in range(3))), start=1):
            answer = client.post("/v1/embeddings", content=body, headers=headers)
            assert answer.status_code == 413
            assert figures(client)['sensorium_refused_total{code="request_too_large"}'] == count


def test_shelves_readiness_and_memory_are_told(client):
    """What stands in the collections, whether requests can be served, and the size of the process."""
    client.put("/v1/collections/notes", json={})
    client.post("/v1/collections/notes/items", json={"items": [{"content": "a"}, {"content": "b"}]})
    told = figures(client)
    assert told['sensorium_shelf_vectors{collection="notes",modality="text"}'] == 2
    assert told["sensorium_ready"] == 1
    assert told["process_resident_memory_bytes"] > 1e6


def test_the_depth_of_the_queue_and_what_is_in_flight_are_told_while_they_last(tmp_path):
    """Two texts before a busy encoder are queued, one request is answered beside the one that asks."""
    embedder, gate = gated_embedder()
    with Store.open(tmp_path) as store, TestClient(create_app(Settings(), embedder, store)) as client:
        asking = threading.Thread(
            target=client.post, args=["/v1/embeddings"], kwargs={"json": {"input": ["a", "b"]}}
        )
        asking.start()
        assert gate.entered.wait(PATIENCE_S)
        during = figures(client)
        gate.open.set()
        asking.join(PATIENCE_S)
        after = figures(client)
    assert during['sensorium_queued_inputs{modality="text"}'] == 2
    assert during["sensorium_requests_in_flight"] == 2
    assert after['sensorium_queued_inputs{modality="text"}'] == 0
    assert after["sensorium_requests_in_flight"] == 1


def test_a_full_queue_is_counted_by_its_code(tmp_path):
    """While one text is being encoded and one may wait, a third is refused with 429 and counted."""
    embedder, gate = gated_embedder()
    settings = Settings(queue_limit=1)
    with Store.open(tmp_path) as store, TestClient(create_app(settings, embedder, store)) as client:
        asking = threading.Thread(
            target=client.post, args=["/v1/embeddings"], kwargs={"json": {"input": "a"}}
        )
        asking.start()
        assert gate.entered.wait(PATIENCE_S)
        answer = client.post("/v1/embeddings", json={"input": "b"})
        gate.open.set()
        asking.join(PATIENCE_S)
        told = figures(client)
    assert answer.status_code == 429
    assert told[f'sensorium_refused_total{{code="{answer.json()["error"]["code"]}"}}'] == 1
    assert told['sensorium_requests_total{method="POST",route="/v1/embeddings",status="429"}'] == 1


def test_batches_that_fail_are_counted_and_not_timed(tmp_path):
    """An encoder that raises fails at least the batch and the item tried alone."""
    embedder, gate = gated_embedder()
    gate.broken = True
    gate.open.set()
    app = create_app(Settings(), embedder, Store.open(tmp_path))
    with TestClient(app, raise_server_exceptions=False) as client:
        answer = client.post("/v1/embeddings", json={"input": "a"})
        told = figures(client)
    app.state.engine.store.close()
    assert answer.status_code >= 500
    assert told['sensorium_encode_failures_total{modality="text"}'] >= 2
    assert 'sensorium_encode_seconds_count{modality="text"}' not in told


def test_refused_items_of_a_request_that_stores_others_are_counted(client):
    """One broken picture between two texts is one refusal, though the answer is 200."""
    client.put("/v1/collections/notes", json={})
    items = [{"content": "a"}, {"content": {"image": "aGVsbG8="}}, {"content": "b"}]
    answer = client.post("/v1/collections/notes/items", json={"items": items})
    code = answer.json()["results"][1]["error"]["code"]
    assert answer.status_code == 200
    assert figures(client)[f'sensorium_refused_total{{code="{code}"}}'] == 1


def test_invented_methods_share_a_label(client):
    """What stands where a method should does not become a label of its own."""
    for method in ("BREW", "PROPFIND"):
        client.request(method, "/healthz")
    told = figures(client)
    assert not any("BREW" in name or "PROPFIND" in name for name in told)
    assert (
        sum(number for name, number in told.items() if "_requests_total" in name and 'method="other"' in name)
        == 2
    )


def test_the_version_and_the_models_are_told(client):
    """One info line, and one gauge for each model that serves."""
    told = figures(client)
    engine = client.app.state.engine
    name, identity = engine.embedder.name, engine.embedder.identity
    assert told[f'sensorium_build_info{{version="{client.app.version}"}}'] == 1
    assert told[f'sensorium_model_loaded{{identity="{identity}",model="{name}"}}'] == 1


def test_times_of_answers_fall_into_buckets(client):
    """Each route has a histogram; all of its answers are below infinity, their sum is a time."""
    for _ in range(3):
        client.get("/v1/models")
    told = figures(client)
    assert told['sensorium_request_seconds_bucket{le="+Inf",route="/v1/models"}'] == 3
    assert 0 < told['sensorium_request_seconds_sum{route="/v1/models"}'] < PATIENCE_S


def test_a_collection_that_turns_out_damaged_does_not_hide_the_other_figures(serve, tmp_path):
    """Its shelves are left out, the others' stay."""
    client = serve()
    for name in ("sound", "broken"):
        client.put(f"/v1/collections/{name}")
        client.post(f"/v1/collections/{name}/items", json={"items": [{"id": "a", "content": "a"}]})
    client.app.state.engine.store.get("broken")._state._damage = "noise"
    told = figures(client)
    assert told['sensorium_shelf_vectors{collection="sound",modality="text"}'] == 1
    assert not any("broken" in name for name in told)


def test_the_text_is_what_prometheus_reads(client):
    """Its own parser finds every family with a type and a line of help."""
    client.post("/v1/embeddings", json={"input": "a"})
    families = list(text_string_to_metric_families(client.get("/metrics").text))
    ours = [family for family in families if family.name.startswith("sensorium_")]
    assert len(ours) > 12
    assert all(family.documentation and family.type != "unknown" for family in ours)
