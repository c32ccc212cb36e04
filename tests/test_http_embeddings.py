"""Embeddings over HTTP: every kind of part, every option, and the same vector however it is asked for."""

import base64
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from models.modalities import MODALITIES
from tests import media_files as files
from tests.small_embedder import DIM


def b64(data):
    return base64.b64encode(data).decode()


PARTS = {
    "text": {"text": "a dog barking"},
    "image": {"image": b64(files.jpeg())},
    "video": {"video": b64(files.mp4())},
    "audio": {"audio": b64(files.wav())},
    "depth": {"depth": b64(files.depth_png()), "unit": "mm", "fx": 518.9, "baseline": 0.075},
    "thermal": {"thermal": b64(files.thermal16_png()), "min_c": -10, "max_c": 40},
    "imu": {"imu": b64(files.imu_csv(time=False)), "sample_rate": 50, "unit": "si"},
}


def embed(client, content, **options):
    answer = client.post("/v1/embeddings", json={"input": content, **options})
    assert answer.status_code == 200, answer.text
    return answer.json()


def vectors(client, content, **options):
    return np.array([each["embedding"] for each in embed(client, content, **options)["data"]], np.float32)


def close(ours, others):
    """Equal but for the rounding that other company in a batch brings."""
    return np.allclose(ours, others, atol=1e-6)


def test_the_parts_of_this_test_are_all_there_are():
    """A new modality has to be tried here as well."""
    assert set(PARTS) == set(MODALITIES)


def test_a_string_gets_openais_answer(client):
    """The shape that OpenAI's clients read."""
    body = embed(client, "a dog", model="small-test", user="someone", safety="unknown fields are ignored")
    assert (body["object"], body["model"]) == ("list", "small-test")
    [entry] = body["data"]
    assert (entry["object"], entry["index"], entry["modality"], entry["notes"]) == (
        "embedding",
        0,
        "text",
        [],
    )
    assert len(entry["embedding"]) == DIM
    assert body["usage"] == {"prompt_tokens": 5, "total_tokens": 5}


@pytest.mark.parametrize("modality", PARTS)
def test_every_modality_gives_a_unit_vector(client, modality):
    """One part, one vector of length 1 that says what it is of."""
    [entry] = embed(client, PARTS[modality])["data"]
    assert entry["modality"] == modality
    assert np.linalg.norm(entry["embedding"]) == pytest.approx(1, abs=1e-5)


def test_the_same_vector_alone_and_in_any_company(client):
    """All modalities from many callers at once, against each one alone: 1e-6."""
    alone = {name: vectors(client, part)[0] for name, part in PARTS.items()}
    mixed = list(PARTS.values())

    def together(shift):
        return vectors(client, mixed[shift:] + mixed[:shift])

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(together, [0, 1, 2, 3, 4, 5, 6] * 3))
    for answer, shift in zip(answers, [0, 1, 2, 3, 4, 5, 6] * 3, strict=True):
        names = list(PARTS)[shift:] + list(PARTS)[:shift]
        expected = np.stack([alone[name] for name in names])
        assert np.abs(answer - expected).max() <= 1e-6


def test_base64_is_the_same_vector_in_little_endian_float32(client):
    """`encoding_format: base64` as both official clients ask for it."""
    [entry] = embed(client, "a dog", encoding_format="base64")["data"]
    assert close(np.frombuffer(base64.b64decode(entry["embedding"]), "<f4"), vectors(client, "a dog")[0])


def test_fewer_dimensions_are_the_leading_ones_renormalised(client):
    """`dimensions: 8` of 16."""
    whole, short = vectors(client, "a dog")[0], vectors(client, "a dog", dimensions=8)[0]
    assert np.allclose(short, whole[:8] / np.linalg.norm(whole[:8]), atol=1e-6)


def test_the_raw_output_points_the_same_way(client):
    """`normalize: false` of a still picture: another length, the same direction."""
    raw, unit = vectors(client, PARTS["image"], normalize=False)[0], vectors(client, PARTS["image"])[0]
    assert abs(np.linalg.norm(raw) - 1) > 1e-3
    assert np.allclose(raw / np.linalg.norm(raw), unit, atol=1e-6)


def test_token_ids_are_one_text_and_lists_of_them_several(client):
    """OpenAI's third and fourth form of `input`; this model's tokens are bytes plus one."""
    ids = [byte + 1 for byte in b"a dog"]
    assert close(vectors(client, ids), vectors(client, "a dog"))
    assert vectors(client, [ids, ids[:1]]).shape == (2, DIM)


def test_a_long_text_says_that_it_was_cut(client):
    """The note stands beside the vector, in a blend with the place of the part."""
    assert embed(client, ["short", "long " * 40])["data"][1]["notes"] == ["text cut to 77 tokens"]
    blend = {"parts": ["short", "long " * 40]}
    assert embed(client, blend)["data"][0]["notes"] == ["input.parts[1]: text cut to 77 tokens"]


def test_openais_content_parts_are_parts(client):
    """`text`, `image_url` and `input_audio` give what our own spelling gives."""
    theirs = [
        {"type": "text", "text": "a dog barking"},
        {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{PARTS['image']['image']}"}},
        {"type": "input_audio", "input_audio": {"data": PARTS["audio"]["audio"], "format": "wav"}},
    ]
    ours = [PARTS["text"], PARTS["image"], PARTS["audio"]]
    assert close(vectors(client, theirs), vectors(client, ours))


def test_strings_are_media_where_modality_says_so(client):
    """The field `modality` as infinity's clients send it, with data URIs or bare base64."""
    bare = PARTS["image"]["image"]
    given = vectors(client, [f"data:image/jpeg;base64,{bare}", bare], modality="image")
    assert close(given, vectors(client, [PARTS["image"]] * 2))


def test_base64_with_line_breaks_is_read(client):
    """As `base64 FILE` writes it."""
    wrapped = base64.encodebytes(files.jpeg()).decode()
    assert "\n" in wrapped
    assert close(vectors(client, {"image": wrapped}), vectors(client, PARTS["image"]))


def test_a_blend_is_the_weighted_sum_of_unit_vectors(client):
    """Weights, negative ones and blends within blends; its modality is that of the heaviest part."""
    text, image, audio = vectors(client, [PARTS["text"], PARTS["image"], PARTS["audio"]])
    inner = image - 0.5 * audio
    expected = 0.3 * text + 2 * inner / np.linalg.norm(inner)
    blend = {
        "parts": [
            {**PARTS["text"], "weight": 0.3},
            {"parts": [PARTS["image"], {**PARTS["audio"], "weight": -0.5}], "weight": 2},
        ]
    }
    [entry] = embed(client, blend)["data"]
    assert np.allclose(entry["embedding"], expected / np.linalg.norm(expected), atol=1e-6)
    assert entry["modality"] == "image"


def test_a_ready_vector_takes_part_in_a_blend(client):
    """Text plus a vector from elsewhere."""
    ready = np.arange(DIM, dtype=np.float32)
    expected = vectors(client, "a dog")[0] + ready / np.linalg.norm(ready)
    given = vectors(client, {"parts": ["a dog", {"vector": ready.tolist(), "modality": "audio"}]})[0]
    assert np.allclose(given, expected / np.linalg.norm(expected), atol=1e-6)


def test_uploaded_files_are_embedded_like_parts(client):
    """Several files in one form, each answered with its name."""
    form = [("file", ("a.jpg", files.jpeg(), "image/jpeg")), ("file", ("b.png", files.png(), "image/png"))]
    answer = client.post("/v1/embeddings/image", files=form)
    assert answer.status_code == 200
    data = answer.json()["data"]
    assert [entry["file"] for entry in data] == ["a.jpg", "b.png"]
    assert np.allclose(data[0]["embedding"], vectors(client, PARTS["image"])[0], atol=1e-6)


def test_form_fields_are_the_fields_of_the_part(client):
    """A rate and a unit for an IMU recording, and OpenAI's options, all as strings of a form."""
    fields = {"sample_rate": "50", "unit": "si", "encoding_format": "base64", "dimensions": "4"}
    form = [("file", ("x.csv", files.imu_csv(time=False), "text/csv"))]
    answer = client.post("/v1/embeddings/imu", files=form, data=fields)
    assert answer.status_code == 200, answer.text
    vector = np.frombuffer(base64.b64decode(answer.json()["data"][0]["embedding"]), "<f4")
    assert np.allclose(vector, vectors(client, PARTS["imu"], dimensions=4)[0], atol=1e-6)


def test_models_are_listed_with_what_they_can(client):
    """The loaded model among all known ones; names with `/` and `:` are one path."""
    listed = {each["id"]: each for each in client.get("/v1/models").json()["data"]}
    assert listed["small-test"]["loaded"] is True
    assert listed["small-test"]["dimension"] == DIM
    assert listed["imagebind-huge"]["loaded"] is False
    assert "NC" in listed["imagebind-huge"]["licence"]
    assert client.get("/v1/models/small-test").json() == listed["small-test"]
    unknown = client.get("/v1/models/open_clip:ViT-B-32/no-such")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "model_not_found")
    assert unknown.json()["error"]["param"] == "model"


def test_bare_strings_inside_a_blend_are_of_the_modality_too(client):
    """`modality` reaches the strings of blends: base64 of a picture is never embedded as a text."""
    picture = base64.b64encode(files.png()).decode()
    body = {"input": {"parts": [picture, {"text": "a dog", "weight": -0.5}]}, "modality": "image"}
    plain = {"input": {"parts": [{"image": picture}, {"text": "a dog", "weight": -0.5}]}}
    assert client.post("/v1/embeddings", json=body).json() == client.post("/v1/embeddings", json=plain).json()


def test_a_null_encoding_format_is_the_default(client):
    """Clients that send their unset options as null get numbers."""
    answer = client.post(
        "/v1/embeddings", json={"input": "a", "encoding_format": None, "dimensions": None, "model": None}
    )
    assert isinstance(answer.json()["data"][0]["embedding"], list)


def test_long_base64_is_read_piece_by_piece(client):
    """Megabytes in lines give the vector of the same in one line; padding amid them is malformed."""
    picture = files.png() + bytes(1_200_000)
    lines, line = base64.encodebytes(picture).decode(), base64.b64encode(picture).decode()
    both = [client.post("/v1/embeddings", json={"input": {"image": each}}).json() for each in (lines, line)]
    assert both[0] == both[1]
    assert len(both[0]["data"]) == 1
    padded = f"{line[:1_048_574]}=={line[1_048_576:]}"
    refused = client.post("/v1/embeddings", json={"input": {"image": padded}})
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid_base64")


def test_number_formats_that_are_not_given_are_refused(client):
    """Voyage's `output_dtype`: floats, or 400 with the place, at both paths."""
    for path, words in (("/v1/embeddings", {"input": "a"}), ("/v1/multimodalembeddings", {"inputs": ["a"]})):
        assert client.post(path, json={**words, "output_dtype": "float"}).status_code == 200
        refused = client.post(path, json={**words, "output_dtype": "int8"})
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "output_dtype")
