"""The bundled model behind the real server, loaded by the server itself."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest

from service.app import create_app
from service.settings import Settings
from tests.conftest import PATIENCE_S, running, wait_until_ready
from tests.test_http_embeddings import PARTS


@pytest.fixture(scope="module")
def bundled(tmp_path_factory):
    app = create_app(Settings(data_dir=tmp_path_factory.mktemp("bundled")))
    with running(app) as url, httpx.Client(base_url=url, timeout=PATIENCE_S) as client:
        wait_until_ready(url)
        yield client


def vectors(client, parts):
    answer = client.post("/v1/embeddings", json={"input": parts})
    assert answer.status_code == 200, answer.text
    return np.array([entry["embedding"] for entry in answer.json()["data"]])


def test_the_default_model_is_ready_by_itself(bundled):
    """Nothing set: sensorium-small with all six senses, listed as loaded."""
    ready = bundled.get("/readyz").json()
    assert ready["model"] == "sensorium-small"
    assert set(ready["modalities"]) == {"text", "image", "audio", "depth", "thermal", "imu"}
    listed = bundled.get("/v1/models/sensorium-small").json()
    assert listed["loaded"] is True
    assert listed["identity"]


def test_the_same_vector_alone_and_in_any_company(bundled):
    """Every modality alone, and mixed with others from many callers at once: 1e-6."""
    parts = [*PARTS.values(), {"text": "rain " * 60}, {"text": "x"}]
    alone = np.concatenate([vectors(bundled, [part]) for part in parts])
    assert np.allclose(np.linalg.norm(alone, axis=1), 1, atol=1e-5)

    def in_company(shift):
        return np.roll(vectors(bundled, parts[shift:] + parts[:shift]), shift, axis=0)

    with ThreadPoolExecutor(8) as threads:
        for together in threads.map(in_company, range(len(parts))):
            assert np.abs(together - alone).max() <= 1e-6


def test_what_is_stored_is_found_by_itself(bundled):
    """One item of each modality; each is the first result of its own content among its kind."""
    path = "/v1/collections/senses"
    bundled.put(path)
    items = [{"id": name, "content": part} for name, part in PARTS.items()]
    assert bundled.post(f"{path}/items", json={"items": items}).json()["stored"] == len(PARTS)
    for name, part in PARTS.items():
        request = {"query": part, "limit": 1, "modalities": [name]}
        [hit] = bundled.post(f"{path}/search", json=request).json()["results"]
        assert (hit["id"], round(hit["score"], 4)) == (name, 1.0)
