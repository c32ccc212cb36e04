"""Whatever is wrong with a request: a 4xx that names the fault, and neighbours that never notice."""

import base64
import dataclasses

import numpy as np
import pytest

from tests import media_files as files
from tests.small_embedder import small_embedder

EMBEDDINGS = "/v1/embeddings"


def b64(data):
    return base64.b64encode(data).decode()


def embedding_of(part, **fields):
    """A request for one embedding; `{name}` of a collection plays no part in it."""
    return {"url": EMBEDDINGS, "json": {"input": [part], **fields}}


def media(modality, data, **params):
    return embedding_of({modality: b64(data), **params})


def upload(modality, data, name="x.bin", **fields):
    return {"url": f"{EMBEDDINGS}/{modality}", "files": [("file", (name, data))], "data": fields}


def search(**fields):
    return {"url": "{collection}/search", "json": {"query": "a dog", **fields}}


def posted(url, content, media_type="application/json"):
    return {"url": url, "content": content, "headers": {"content-type": media_type}}


def chunks_of_100_mb():
    for _ in range(100):
        yield bytes(1_000_000)


def png_16_bit(width, height):
    return files.picture_bytes(np.full((height, width), 1000, np.uint16))


IMU_NAN = files.imu_values()
IMU_NAN[3, 2] = np.nan

# what: (request, status, words of the message)
CASES = {
    "an empty body": (posted(EMBEDDINGS, b""), 400, ["body"]),
    "an empty body to items": (posted("{collection}/items", b""), 400, ["JSON"]),
    "a list for a body": ({"url": "/v1/similarity", "json": [1]}, 400, ["no JSON object"]),
    "a form field twice": (
        upload("imu", b"x", sample_rate=["50", "60"]),
        400,
        ["sample_rate", "more than once"],
    ),
    "an empty file": (upload("image", b""), 422, ["empty"]),
    "an empty input": ({"url": EMBEDDINGS, "json": {"input": []}}, 400, ["at least one"]),
    "noise as image": (media("image", files.noise()), 415, ["image", "PNG"]),
    "noise as audio": (media("audio", files.noise()), 415, ["WAV", "sound"]),
    "noise as video": (media("video", files.noise()), 415, ["video", "MP4"]),
    "noise as depth": (media("depth", files.noise()), 415, ["16-bit PNG"]),
    "noise as thermal": (media("thermal", files.noise()), 415, ["grey", "PNG"]),
    "noise as imu": (media("imu", files.noise()), (415, 422), ["CSV"]),
    "noise as text": (upload("text", b"\xff\xfe\xfd"), (415, 422), ["UTF-8"]),
    "a truncated JPEG": (media("image", files.jpeg(640, 480)[:2000]), 422, ["JPEG", "truncated"]),
    "a truncated PNG": (media("image", files.png(640, 480)[:-200]), 422, ["PNG", "truncated"]),
    "a truncated WAV": (media("audio", files.wav(1.0)[:9000]), 422, ["truncated"]),
    "a truncated MP4": (media("video", files.mp4(48)[:-3000]), 422, ["MP4", "truncated"]),
    "one sample of audio": (media("audio", files.wav_of([0.5])), 422, ["sample"]),
    "an image of 0x0": (media("image", files.png_header(0, 0)), (413, 422), ["0"]),
    "an image of 50 000 x 50 000": (
        media("image", files.png_header(50_000, 50_000)),
        413,
        ["50000", "pixels"],
    ),
    "a silent FLAC of 12 hours": (media("audio", files.flac_header_12_hours()), 413, ["43200", "3600"]),
    "imu with NaN": (media("imu", files.imu_csv(values=IMU_NAN)), 422, ["nan"]),
    "imu with 5 columns": (
        media("imu", files.npy(np.zeros((100, 5), np.float32)), sample_rate=50),
        422,
        ["5", "6"],
    ),
    "imu without a rate": (media("imu", files.npy(files.imu_values())), 422, ["sample_rate"]),
    "depth as 8-bit JPEG": (media("depth", files.jpeg()), (415, 422), ["relative"]),
    "an npy of pickled objects": (media("depth", files.npy_pickled()), (415, 422), ["object"]),
    "an npy that claims too much": (media("depth", files.npy_header((10**6, 10**6))), 413, ["16777216"]),
    "a PNG sent as audio": (media("audio", files.png()), 415, ["PNG"]),
    "a WAV sent as image": (media("image", files.wav()), 415, ["PNG"]),
    "a body of the wrong media type": (
        posted(EMBEDDINGS, b"hello", "text/plain"),
        415,
        ["text/plain", "json"],
    ),
    "a form where JSON belongs": (
        {"url": "{collection}/search", "files": [("file", ("x", b"x"))]},
        415,
        ["multipart", "json"],
    ),
    "JSON where a form belongs": ({"url": f"{EMBEDDINGS}/image", "json": {}}, 415, ["multipart"]),
    "an unknown modality in the path": (upload("smell", b"x"), 404, ["smell", "thermal"]),
    "an unknown modality in a part": (embedding_of({"smell": b64(b"x")}), 400, ["smell", "thermal"]),
    "an unknown modality of strings": (embedding_of("x", modality="smell"), 400, ["smell", "thermal"]),
    "an unknown modality in a search": (search(modalities=["smell"]), 400, ["smell", "thermal"]),
    "an unknown model": (embedding_of("x", model="no-such"), 404, ["no-such", "small-test"]),
    "an unknown collection": (
        {"url": "/v1/collections/nowhere/search", "json": {"query": "x"}},
        404,
        ["nowhere"],
    ),
    "an unknown item as query": (search(query={"id": "nobody"}), 404, ["nobody"]),
    "a vector of the wrong length": (search(query={"vector": [1.0, 2.0]}), 422, ["2", "16"]),
    "a vector of zeros": (search(query={"vector": [0.0] * 16}), 422, ["zero"]),
    "a raw vector beyond float32": (
        embedding_of({"vector": [1e300] * 16}, normalize=False),
        422,
        ["1e+38", "float32"],
    ),
    "a vector of words": (search(query={"vector": ["a"] * 16}), 400, ["numbers"]),
    "limit 0": (search(limit=0), 400, ["limit", "1"]),
    "limit 10^9": (search(limit=10**9), 400, ["limit", "1000"]),
    "a limit of words": (search(limit="many"), 400, ["limit"]),
    "a recall that nobody can promise": (search(recall=1.5), 400, ["recall", "0.999"]),
    "an unknown filter operator": (
        search(filter={"must": [{"key": "a", "like": "b"}]}),
        400,
        ["like", "match", "range"],
    ),
    "an unknown field of a search": (search(limits=3), 400, ["limits"]),
    "malformed base64": (embedding_of({"image": "this is not base64!"}), 422, ["base64"]),
    "base64 cut short": (embedding_of({"image": b64(files.png())[:-1]}), 422, ["base64"]),
    "an address that nobody fetches": (
        embedding_of({"image": "https://example.com/a.png"}),
        422,
        ["fetching", "base64"],
    ),
    "two contents in one part": (
        embedding_of({"text": "a", "image": b64(files.png())}),
        400,
        ["text", "image"],
    ),
    "a field that no part has": (embedding_of({"text": "a", "sample_rate": 3}), 400, ["sample_rate"]),
    "a weight of words": (embedding_of({"text": "a", "weight": "much"}), 400, ["weight"]),
    "parts that cancel out": (
        embedding_of({"parts": [{"text": "a"}, {"text": "a", "weight": -1}]}),
        422,
        ["cancel"],
    ),
    "more dimensions than there are": (embedding_of("a", dimensions=17), 400, ["dimensions", "16"]),
    "an unknown encoding": (embedding_of("a", encoding_format="hex"), 400, ["float", "base64"]),
    "token ids below zero": (embedding_of([1, -5]), 400, ["token"]),
    "token ids beyond the vocabulary": (embedding_of([1, 10**6]), (400, 422), ["49407"]),
    "a number as input": (embedding_of(5.5), 400, ["number"]),
    "a body of 100 MB": (posted(EMBEDDINGS, bytes(100_000_000)), 413, ["4000000"]),
    "100 MB without a length": (posted(EMBEDDINGS, chunks_of_100_mb()), 413, ["4000000"]),
    "invalid UTF-8": (posted(EMBEDDINGS, b'{"input": "\xff\xfe"}'), 400, ["UTF-8"]),
    "half a surrogate pair": (posted(EMBEDDINGS, b'{"input": "\\ud800"}'), 400, ["surrogate"]),
    "half a JSON": (posted(EMBEDDINGS, b'{"input": '), 400, ["JSON"]),
    "JSON that is no object": (posted(EMBEDDINGS, b"[1, 2]"), 400, ["object"]),
    "JSON 5 000 levels deep": (posted(EMBEDDINGS, b'{"input":' + b"[" * 5000), 400, ["depth"]),
    "parts 50 levels deep": (
        posted(EMBEDDINGS, b'{"input":' + b'{"parts":[' * 50 + b'"a"' + b"]}" * 50 + b"}"),
        400,
        ["deep"],
    ),
    "a batch of 10 000": (
        {"url": EMBEDDINGS, "json": {"input": ["a"] * 10_000}},
        413,
        ["10000", "64"],
    ),
    "10 000 items": (
        {"url": "{collection}/items", "json": {"items": [{"content": "a"}] * 10_000}},
        413,
        ["10000", "64"],
    ),
    "100 files": (
        {"url": f"{EMBEDDINGS}/text", "files": [("file", (f"{i}.txt", b"a")) for i in range(100)]},
        413,
        ["64"],
    ),
    "a form without a file": (
        {"url": f"{EMBEDDINGS}/imu", "files": [("image", ("x.png", b"x"))]},
        400,
        ["file", "image"],
    ),
    "an unknown form field": (upload("image", files.png(), colour="red"), 400, ["colour", "normalize"]),
    "a broken form": (posted(f"{EMBEDDINGS}/image", b"--x", "multipart/form-data"), 400, ["boundary"]),
    "a number with an underscore": (
        upload("imu", files.imu_csv(), sample_rate="5_0"),
        400,
        ["sample_rate", "5_0"],
    ),
    "no ids to delete": ({"url": "{collection}/items/delete", "json": {"ids": []}}, 400, ["ids"]),
    "a filter that deletes everything": (
        {"url": "{collection}/items/delete", "json": {"filter": {"must": []}}},
        400,
        ["condition"],
    ),
}

# The same media faults again, each between two good items of one request.
ITEM_FAULTS = {
    what: request["json"]["input"][0]
    for what, (request, _, _) in CASES.items()
    if request.get("url") == EMBEDDINGS and isinstance(request.get("json", {}).get("input"), list)
    if len(request["json"]) == 1 and len(request["json"]["input"]) == 1
}


def send(client, collection, request):
    return client.post(**{**request, "url": request["url"].format(collection=collection)})


@pytest.mark.parametrize("what", CASES)
def test_bad_input_gets_a_4xx_that_names_the_fault(client, collection, what):
    """Status and words of the answer, and a good request beside it that succeeds as if nothing were."""
    request, status, words = CASES[what]
    if what == "100 MB without a length":
        request = posted(EMBEDDINGS, chunks_of_100_mb())
    answer = send(client, collection, request)
    assert answer.status_code in ((status,) if isinstance(status, int) else status), answer.text
    error = answer.json()["error"]
    assert [word for word in words if word.lower() not in error["message"].lower()] == [], error
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert answer.headers["x-request-id"]
    assert client.post(EMBEDDINGS, json={"input": "a good neighbour"}).status_code == 200


@pytest.mark.parametrize("what", ITEM_FAULTS)
def test_a_bad_item_fails_alone(client, collection, what):
    """Between two good items of one request: those are stored, the bad one says what is wrong with it."""
    items = [{"id": "before", "content": "a"}, {"id": "bad", "content": ITEM_FAULTS[what]}, {"content": "z"}]
    answer = client.post(f"{collection}/items", json={"items": items})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert [each["status"] for each in body["results"]] == ["stored", "error", "stored"]
    assert (body["stored"], body["failed"]) == (2, 1)
    assert body["results"][1]["error"]["param"].startswith("items[1]")
    assert client.get(f"{collection}/items/bad").status_code == 404
    assert client.get(f"{collection}/items/before").status_code == 200


def test_the_place_of_the_fault_is_named(client):
    """The fourth of five inputs, and the second part of a blend."""
    inputs = ["a", "b", "c", {"image": b64(files.noise())}, "e"]
    assert client.post(EMBEDDINGS, json={"input": inputs}).json()["error"]["param"] == "input[3]"
    blend = {"parts": ["a", {"audio": b64(files.noise())}]}
    assert client.post(EMBEDDINGS, json={"input": blend}).json()["error"]["param"] == "input.parts[1]"


def test_nothing_stored_at_all_is_an_error(client, collection):
    """422 with `error` beside the results."""
    items = [{"id": "a", "content": {"image": "%%%"}}, {"id": "b"}]
    answer = client.post(f"{collection}/items", json={"items": items})
    assert answer.status_code == 422
    body = answer.json()
    assert body["error"]["param"] == "items[0].content"
    assert [each["status"] for each in body["results"]] == ["error", "error"]
    assert body["stored"] == 0


def test_a_picture_of_one_pixel_is_a_picture(client):
    """The smallest image there is embeds like any other."""
    answer = client.post(EMBEDDINGS, json={"input": {"image": b64(files.png(1, 1))}})
    assert answer.status_code == 200
    assert np.linalg.norm(answer.json()["data"][0]["embedding"]) == pytest.approx(1, abs=1e-6)


def test_an_error_inside_the_server_shows_no_cause(serve):
    """500 has a fixed sentence, and the server goes on."""

    def broken(sample):
        raise RuntimeError("secret: /home/someone")

    embedder = small_embedder()
    towers = {**embedder.towers, "audio": dataclasses.replace(embedder.towers["audio"], prepare=broken)}
    client = serve(dataclasses.replace(embedder, towers=towers))
    answer = client.post(EMBEDDINGS, json={"input": {"audio": b64(files.wav())}})
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.json()["error"]["type"] == "server_error"
    assert answer.headers["x-request-id"]
    assert client.post(EMBEDDINGS, json={"input": "a"}).status_code == 200


def test_messages_are_short(client):
    """What is long does not come back as a whole."""
    for part in ({"A" * 5000: 1}, {"type": "A" * 5000}, {"image": "!" * 5000}):
        answer = client.post(EMBEDDINGS, json={"input": part})
        assert 400 <= answer.status_code < 500
        assert len(answer.content) < 1000
