"""The two Weaviate containers that this server stands in for, asked as Weaviate's own client asks."""

import base64

import numpy as np
import pytest

from service.routes.weaviate import FIELDS
from tests import media_files as files
from tests.small_embedder import DIM

MEDIA = {
    "images": files.png,
    "audio": files.wav,
    "video": files.mp4,
    "imu": files.imu_csv,
    "thermal": files.thermal8_png,
    "depth": files.depth_png,
}
EGO4D = ("gyro_x", "gyro_y", "gyro_z", "accl_x", "accl_y", "accl_z")


def b64(data):
    return base64.b64encode(data).decode()


def unit_vectors(rows):
    vectors = np.array(rows)
    assert vectors.shape[1] == DIM
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    return vectors


def embedding(client, part):
    return client.post("/v1/embeddings", json={"input": part}).json()["data"][0]["embedding"]


def ego4d_csv(values, times=None):
    """`values`: (T, 6), acceleration first; the table has the angular rate first, as Ego4D's has."""
    rows = np.concatenate([values[:, 3:], values[:, :3]], axis=1)
    names = list(EGO4D)
    if times is not None:
        rows = np.concatenate([times[:, None], times[:, None], rows], axis=1)
        names = ["component_timestamp_ms", "canonical_timestamp_ms", *names]
    lines = [",".join(names), *(",".join(f"{value:.6f}" for value in row) for row in rows)]
    return "\n".join(lines).encode()


def test_all_seven_fields_come_back_as_vectors(client):
    """Two of each field in one request, unit vectors in order, the same as /v1/embeddings gives."""
    request = {"texts": ["a dog", "rain"]} | {
        name: [b64(make()), b64(make())] for name, make in MEDIA.items()
    }
    answer = client.post("/vectorize", json=request)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert set(body) == {key for _, key in FIELDS.values()}
    for _, key in FIELDS.values():
        assert unit_vectors(body[key]).shape == (2, DIM)
    assert np.allclose(body["textVectors"][1], embedding(client, "rain"), atol=1e-6)
    for name, make in MEDIA.items():
        modality, key = FIELDS[name]
        assert np.allclose(body[key][0], embedding(client, {modality: b64(make())}), atol=1e-6)


def test_multi2vec_clip_is_answered_by_the_same_path(client):
    """Texts and images, null where Weaviate has none; the fields that were not asked for are empty lists."""
    body = client.post("/vectorize", json={"texts": ["a dog"], "images": None}).json()
    assert unit_vectors(body["textVectors"]).shape == (1, DIM)
    assert [key for key, rows in body.items() if rows] == ["textVectors"]
    assert client.post("/vectorize", json={}).status_code == 200


@pytest.mark.parametrize("timed", [True, False], ids=["with times", "without times"])
def test_imu_columns_of_ego4d_are_found_by_name(client, timed):
    """gyro_x .. accl_z become acceleration first; without a time column the recording counts as 400 Hz."""
    values = np.round(files.imu_values(samples=2000, rate=400.0), 6)
    times = np.arange(2000) * 2.5 if timed else None
    body = client.post("/vectorize", json={"imu": [b64(ego4d_csv(values, times))]}).json()
    expected = embedding(client, {"imu": b64(files.npy(values)), "sample_rate": 400})
    assert np.allclose(body["imuVectors"][0], expected, atol=1e-5)
    turned = embedding(
        client, {"imu": b64(files.npy(values.T.reshape(values.shape).copy())), "sample_rate": 400}
    )
    assert not np.allclose(body["imuVectors"][0], turned, atol=1e-2)


def test_grey_pictures_are_depth_without_a_scale(client):
    """Weaviate's own container takes 8-bit depth; here that is `unit: relative`, and colours are refused."""
    grey = b64(files.picture_bytes(files.gradient()[..., 0]))
    body = client.post("/vectorize", json={"depth": [grey]}).json()
    expected = embedding(client, {"depth": grey, "unit": "relative"})
    assert np.allclose(body["depthVectors"][0], expected, atol=1e-6)
    refused = client.post("/vectorize", json={"depth": [b64(files.png())]})
    assert refused.status_code == 422
    assert "distances" in refused.json()["error"]


def test_errors_are_strings_with_the_right_status(client):
    """`error` is a string, which Weaviate's client needs; status, code and place say what was wrong."""
    broken = client.post("/vectorize", json={"images": [b64(files.png()), b64(files.png()[:80])]})
    assert broken.status_code == 422
    assert isinstance(broken.json()["error"], str)
    assert broken.json()["param"] == "images[1]"
    wrong_kind = client.post("/vectorize", json={"audio": [b64(files.png())]})
    assert (wrong_kind.status_code, wrong_kind.json()["param"]) == (415, "audio[0]")
    for request, status in (({"texts": ["a"] * 65}, 413), ({"texts": "a"}, 400), ({"texts": [""]}, 422)):
        answer = client.post("/vectorize", json=request)
        assert answer.status_code == status, answer.text
        assert isinstance(answer.json()["error"], str)


def test_meta_and_probes(client):
    """`/meta` is an object, the probes are 204 without a body."""
    assert client.get("/meta").json()["model"] == "small-test"
    assert client.get("/meta").json()["dimension"] == DIM
    for path in ("/.well-known/live", "/.well-known/ready"):
        assert (client.get(path).status_code, client.get(path).content) == (204, b"")
