"""Requests as the documentation of other embedding services writes them, sent to /v1/embeddings."""

import base64

import numpy as np
import pytest

from tests import media_files as files
from tests.small_embedder import DIM


def uri(data, media_type):
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


IMAGE, SOUND, FILM = (
    uri(files.png(), "image/png"),
    uri(files.wav(), "audio/wav"),
    uri(files.mp4(), "video/mp4"),
)


def vectors(client, **request):
    answer = client.post("/v1/embeddings", json=request)
    assert answer.status_code == 200, answer.text
    return np.array([entry["embedding"] for entry in answer.json()["data"]])


@pytest.fixture
def ours(client):
    """Vectors in our own words."""
    return lambda *parts: vectors(client, input=list(parts))


def same(a, b):
    return a.shape == b.shape and np.allclose(a, b, atol=1e-5)


def test_infinity(client, ours):
    """`modality` with data URIs or bare base64, as infinity's image and audio examples."""
    assert same(vectors(client, input=[IMAGE], modality="image"), ours({"image": IMAGE}))
    bare = SOUND.partition(",")[2]
    got = vectors(client, model="small-test", input=[SOUND, bare], encoding_format="float", modality="audio")
    assert same(got, ours({"audio": SOUND}, {"audio": SOUND}))


def test_vllm(client, ours):
    """Chat embeddings: `messages` are one vector; instructions and empty turns are no content."""
    picture = {"type": "image_url", "image_url": {"url": IMAGE}}
    request = {"role": "user", "content": [picture, {"type": "text", "text": "a dog"}]}
    instructed = [{"role": "system", "content": "Represent the input."}, request]
    got = vectors(client, model="small-test", encoding_format="float", messages=instructed)
    assert same(got, ours({"parts": [{"image": IMAGE}, "a dog"]}))
    turns = [{"role": "user", "content": [picture]}, {"role": "assistant", "content": ""}]
    assert same(vectors(client, messages=turns), ours({"image": IMAGE}))
    assert same(vectors(client, messages=[{"role": "user", "content": "a dog"}]), ours("a dog"))
    sound = {"type": "audio_url", "audio_url": {"url": SOUND}}
    film = {"type": "video_url", "video_url": {"url": FILM}}
    got = vectors(client, messages=[{"role": "user", "content": [sound, film]}])
    assert same(got, ours({"parts": [{"audio": SOUND}, {"video": FILM}]}))


def test_jina(client, ours):
    """Objects with `text` and `image`, bare strings among them; `dimensions` and its own options."""
    given = [{"text": "a dog"}, {"image": IMAGE}, {"image": IMAGE.partition(",")[2]}, "rain"]
    got = vectors(
        client,
        model="small-test",
        input=given,
        dimensions=4,
        normalized=True,
        embedding_type="float",
        task="text-matching",
    )
    assert got.shape == (4, 4)
    assert same(vectors(client, input=given), ours("a dog", {"image": IMAGE}, {"image": IMAGE}, "rain"))


def test_cohere(client, ours):
    """`texts`, `images`, and `inputs` with mixed `content`, with Cohere's options."""
    options = {"model": "small-test", "input_type": "search_document", "embedding_types": ["float"]}
    assert same(vectors(client, texts=["a dog", "rain"], **options), ours("a dog", "rain"))
    assert same(vectors(client, images=[IMAGE], **options), ours({"image": IMAGE}))
    mixed = [{"type": "text", "text": "a dog"}, {"type": "image_url", "image_url": {"url": IMAGE}}]
    got = vectors(client, inputs=[{"content": mixed}, {"content": mixed[:1]}], **options)
    assert same(got, ours({"parts": ["a dog", {"image": IMAGE}]}, "a dog"))
    assert vectors(client, inputs=[{"content": mixed}], output_dimension=8, **options).shape == (1, 8)


def test_voyage(client, ours):
    """`inputs` with `image_base64` and `video_base64`; `output_encoding`."""
    content = [
        {"type": "text", "text": "a dog"},
        {"type": "image_base64", "image_base64": IMAGE},
        {"type": "video_base64", "video_base64": FILM},
    ]
    request = {
        "model": "small-test",
        "inputs": [{"content": content}],
        "input_type": None,
        "truncation": True,
    }
    assert same(vectors(client, **request), ours({"parts": ["a dog", {"image": IMAGE}, {"video": FILM}]}))
    packed = client.post("/v1/embeddings", json={**request, "output_encoding": "base64"}).json()
    assert len(base64.b64decode(packed["data"][0]["embedding"])) == 4 * DIM


def test_a_type_may_name_our_own_key(client, ours):
    """`{"type": "imu", "imu": ..}` with its parameters is the part without `type`."""
    recording = {"imu": base64.b64encode(files.imu_csv(time=False)).decode(), "sample_rate": 50}
    assert same(vectors(client, input=[{"type": "imu", **recording}]), ours(recording))


def test_faults_are_placed_in_the_words_of_the_request(client):
    """`param` names the message, the input or the field, and the status is the usual one."""
    broken = {"type": "image_url", "image_url": {"url": "data:image/png;base64,%%%"}}
    for request, status, param in (
        ({"messages": [{"role": "user", "content": ["a", broken]}]}, 422, "messages[0].content[1]"),
        ({"messages": [{"content": [{"type": "smell"}]}]}, 400, "messages[0].content[0]"),
        ({"messages": [{"role": "user"}]}, 400, "messages[0]"),
        ({"messages": [{"role": "system", "content": "a"}]}, 400, "messages"),
        ({"inputs": [{"content": [broken]}]}, 422, "inputs[0].content[0]"),
        ({"inputs": [{"content": []}]}, 400, "inputs[0]"),
        ({"inputs": [{"content": ["a"], "colour": "red"}]}, 400, "inputs[0]"),
        ({"images": ["%%%"]}, 422, "images[0]"),
        ({"texts": [7]}, 400, "texts[0]"),
        ({"input": "a", "texts": ["a"]}, 400, "texts"),
        ({}, 400, "input"),
        ({"input": "a", "embedding_type": "binary"}, 400, "embedding_type"),
    ):
        answer = client.post("/v1/embeddings", json=request)
        assert (answer.status_code, answer.json()["error"]["param"]) == (status, param), answer.text


@pytest.mark.parametrize("path", ["/v1/embed", "/v2/embed"])
def test_coheres_own_paths(client, ours, path):
    """The answer of its clients: embeddings by type, texts, billed tokens."""
    request = {"model": "small-test", "texts": ["a dog", "rain"], "input_type": "search_document"}
    answer = client.post(path, json={**request, "embedding_types": ["float", "base64"]}).json()
    assert same(np.array(answer["embeddings"]["float"]), ours("a dog", "rain"))
    packed = [np.frombuffer(base64.b64decode(each), "<f4") for each in answer["embeddings"]["base64"]]
    assert same(np.stack(packed), ours("a dog", "rain"))
    assert (answer["texts"], answer["meta"]["billed_units"]["input_tokens"]) == (["a dog", "rain"], 9)
    pictures = client.post(path, json={"images": [IMAGE], "embedding_types": ["float"]}).json()
    assert same(np.array(pictures["embeddings"]["float"]), ours({"image": IMAGE}))
    plain = client.post(path, json=request).json()["embeddings"]
    assert same(np.array(plain if path == "/v1/embed" else plain["float"]), ours("a dog", "rain"))
    refused = client.post(path, json={**request, "embedding_types": ["int8"]})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "embedding_types[0]")


def test_jinas_list_of_formats(client, ours):
    """One may be asked for; of two or none the field is named."""
    got = vectors(client, input=["a dog"], embedding_type=["float"])
    assert same(got, ours("a dog"))
    packed = client.post("/v1/embeddings", json={"input": "a dog", "embedding_type": ["base64"]}).json()
    assert same(np.frombuffer(base64.b64decode(packed["data"][0]["embedding"]), "<f4")[None], got)
    for formats in (["float", "base64"], [], ["binary"]):
        refused = client.post("/v1/embeddings", json={"input": "a dog", "embedding_type": formats})
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "embedding_type")
        assert "'float' or 'base64'" in refused.json()["error"]["message"]


def test_voyages_client_is_told_of_errors_in_its_words(client):
    """The message stands in `detail` too, whichever layer refuses; at other paths nobody sees that."""
    path = "/v1/multimodalembeddings"
    packed = client.post(path, json={}, headers={"content-encoding": "gzip"})
    for told in (client.post(path, json={"inputs": [], "model": "nobody"}), client.get(path), packed):
        assert told.status_code in {400, 404, 405, 415}
        assert told.json()["detail"] == told.json()["error"]["message"]
    assert client.post("/v1/embeddings", json={"model": "nobody"}).json().keys() == {"error"}


def test_voyages_own_path(client, ours):
    """Mixed content as its client sends it, with the usage that the client adds up."""
    content = [{"type": "text", "text": "a dog"}, {"type": "image_base64", "image_base64": IMAGE}]
    request = {
        "inputs": [{"content": content}],
        "model": "small-test",
        "input_type": None,
        "truncation": True,
    }
    answer = client.post("/v1/multimodalembeddings", json=request).json()
    got = np.array([entry["embedding"] for entry in answer["data"]])
    assert same(got, ours({"parts": ["a dog", {"image": IMAGE}]}))
    assert answer["usage"] == {"text_tokens": 5, "image_pixels": 0, "video_pixels": 0, "total_tokens": 5}
    packed = client.post("/v1/multimodalembeddings", json={**request, "output_encoding": "base64"}).json()
    assert same(np.frombuffer(base64.b64decode(packed["data"][0]["embedding"]), "<f4")[None], got)
