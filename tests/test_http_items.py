"""Collections and items over HTTP: stored, replaced, read, paged, deleted."""

import base64
import json
from urllib.parse import quote

import numpy as np
import pytest

from tests import media_files as files
from tests.small_embedder import DIM, small_embedder


def b64(data):
    return base64.b64encode(data).decode()


def store(client, collection, *items):
    answer = client.post(f"{collection}/items", json={"items": list(items)})
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]


def counted(client, collection):
    return client.get(collection).json()["items"]


def test_a_collection_is_made_once(client):
    """201 the first time, 200 the second, then listed, read and dropped."""
    path = "/v1/collections/made-once"
    assert client.put(path, json={"model": "small-test", "recall": 0.95}).status_code == 201
    again = client.put(path)
    assert again.status_code == 200
    assert again.json() == client.get(path).json()
    assert again.json()["dimension"] == DIM
    assert again.json()["created_at"].endswith("Z")
    listed = client.get("/v1/collections").json()
    assert listed["object"] == "list"
    assert "made-once" in [each["name"] for each in listed["data"]]
    assert client.delete(path).json() == {"name": "made-once", "deleted": True}
    assert client.get(path).json()["error"]["code"] == "collection_not_found"


def test_another_model_is_refused(serve, tmp_path):
    """A collection of one identity answers 409 under another, for writes, searches and PUT; never results."""
    first = serve(data_dir=tmp_path / "one")
    first.put("/v1/collections/c")
    store(first, "/v1/collections/c", {"id": "a", "content": "a"})
    first.app.state.engine.store.close()
    other = serve(small_embedder(seed=1), data_dir=tmp_path / "one")
    assert other.put("/v1/collections/c").status_code == 409
    assert other.post("/v1/collections/c/search", json={"query": "a"}).status_code == 409
    refused = other.post("/v1/collections/c/items", json={"items": [{"content": "b"}]})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "identity_mismatch")
    assert other.get("/v1/collections/c/items/a").status_code == 200


def test_an_item_keeps_what_came_with_it(client, collection):
    """Metadata, modality, time, vector where asked for, and the original file with its media type."""
    uri = f"data:image/png;base64,{b64(files.png())}"
    [stored] = store(client, collection, {"id": "p/1", "content": {"image": uri}, "metadata": {"iso": 100}})
    assert stored == {"id": "p/1", "status": "stored", "modality": "image", "notes": []}
    item = client.get(f"{collection}/items/p/1").json()
    assert (item["id"], item["modality"], item["metadata"]) == ("p/1", "image", {"iso": 100})
    assert "vector" not in item
    vector = client.get(f"{collection}/items/p/1", params={"with_vector": True}).json()["vector"]
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    media = client.get(f"{collection}/items/p/1/media")
    assert media.content == files.png()
    assert media.headers["content-type"] == "image/png"
    assert media.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("modality", "data", "claim", "served"),
    [
        ("image", files.png(), "text/html", "image/png"),
        ("image", files.jpeg(), None, "image/jpeg"),
        ("audio", files.mp3(), "application/octet-stream", "audio/mpeg"),
        ("video", files.mp4(), None, "video/mp4"),
        ("imu", files.imu_csv(), "text/html", "text/csv; charset=utf-8"),
        ("text", b"<script>alert(1)</script>", "text/html", "text/plain; charset=utf-8"),
        ("depth", files.depth_npy(), None, "application/x-npy"),
    ],
)
def test_media_are_served_as_what_they_are(client, collection, modality, data, claim, served):  # noqa: PLR0917 - a table
    """By their first bytes, and never as something that a browser would run."""
    form = [("file", ("x", data, claim))]
    answer = client.post(f"{collection}/items", files=form, data={"modality": modality})
    identifier = answer.json()["results"][0]["id"]
    media = client.get(f"{collection}/items/{identifier}/media")
    assert media.headers["content-type"] == served
    assert media.content == data


def test_a_collection_without_media_keeps_none(client):
    """`"media": "none"`: the item is there, its file is not."""
    path = "/v1/collections/no-media"
    client.put(path, json={"media": "none"})
    store(client, path, {"id": "a", "content": {"image": b64(files.png())}})
    assert client.get(f"{path}/items/a").status_code == 200
    missing = client.get(f"{path}/items/a/media")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "media_not_found")
    client.delete(path)


def test_the_same_content_without_an_id_is_stored_once(client, collection):
    """Twice in one request, once more in a form: one item, named by its content's hash."""
    part = {"imu": b64(files.imu_csv(time=False)), "sample_rate": 50}
    first, second = store(client, collection, {"content": part}, {"content": part})
    form = [("file", ("walk.csv", files.imu_csv(time=False), "text/csv"))]
    answer = client.post(f"{collection}/items", files=form, data={"sample_rate": "50"})
    assert first["id"] == second["id"] == answer.json()["results"][0]["id"]
    assert counted(client, collection) == {"imu": 1}


def test_the_same_content_twice_in_a_request_counts_once(client, collection):
    """Two results with one id, `stored` 1, a note that says so, and the metadata that came last."""
    items = [
        {"content": "a dog", "metadata": {"n": 1}},
        {"content": "a cat"},
        {"content": "a dog", "metadata": {"n": 2}},
    ]
    body = client.post(f"{collection}/items", json={"items": items}).json()
    first, other, again = body["results"]
    assert (body["stored"], body["failed"]) == (2, 0)
    assert first["id"] == again["id"] != other["id"]
    assert "items[0]" in again["notes"][0]
    assert first["notes"] == other["notes"] == []
    assert client.get(f"{collection}/items/{first['id']}").json()["metadata"] == {"n": 2}
    assert counted(client, collection) == {"text": 2}
    form = [("file", (name, b"a bird", "text/plain")) for name in ("a.txt", "b.txt")]
    body = client.post(f"{collection}/items", files=form).json()
    assert (body["stored"], [each["file"] for each in body["results"]]) == (1, ["a.txt", "b.txt"])
    assert "file[0]" in body["results"][1]["notes"][0]


def test_whole_numbers_come_back_exactly(client, collection):
    """Those of 64 bits, with and without sign, and floats however large; also those that a form brings."""
    kept = {"n": [2**64 - 1, -(2**63), 2**53 + 1, 2**63], "deep": {"x": 1e300, "y": 1.0e20}, "true": True}
    store(client, collection, {"id": "a", "content": "a", "metadata": kept})
    read = client.get(f"{collection}/items/a").json()["metadata"]
    assert read == kept
    assert [type(each) for each in read["n"]] == [int] * 4
    form = [("file", ("b.txt", b"b", "text/plain"))]
    fields = {"metadata": json.dumps({"b.txt": kept}), "ids": json.dumps({"b.txt": "b"})}
    assert client.post(f"{collection}/items", files=form, data=fields).json()["stored"] == 1
    assert client.get(f"{collection}/items/b").json()["metadata"] == kept


@pytest.mark.parametrize("written", [str(2**64), str(-(2**63) - 1), "123456789012345678901", f"-{10**300}"])
def test_whole_numbers_that_would_be_altered_are_refused(client, collection, written):
    """Beyond 64 bits JSON readers round: the item is refused by itself, with the range that is kept."""
    body = (
        f'{{"items": [{{"content": "a", "metadata": {{"deep": [{{"n": {written}}}]}}}}, {{"content": "b"}}]}}'
    )
    headers = {"content-type": "application/json"}
    answer = client.post(f"{collection}/items", content=body, headers=headers).json()
    assert (answer["stored"], answer["failed"]) == (1, 1)
    error = answer["results"][0]["error"]
    assert (error["code"], error["param"]) == ("invalid_metadata", "items[0].metadata")
    assert f"{-(2**63)} to {2**64 - 1}" in error["message"]
    form = [("file", ("a.txt", b"a", "text/plain"))]
    refused = client.post(
        f"{collection}/items", files=form, data={"metadata": f'{{"a.txt": {{"n": {written}}}}}'}
    )
    assert refused.status_code == 422
    assert refused.json()["error"]["code"] == "invalid_metadata"


def test_other_parameters_make_other_content(client, collection):
    """The same file at another rate is another item."""
    part = {"imu": b64(files.imu_csv(time=False)), "sample_rate": 50}
    store(client, collection, {"content": part}, {"content": {**part, "sample_rate": 100}})
    assert counted(client, collection) == {"imu": 2}


def test_blends_that_differ_in_structure_are_different(client, collection):
    """Weights of inner blends count for the id."""
    inner = {"parts": ["b", "c"]}
    items = [{"content": {"parts": ["a", {**inner, "weight": weight}]}} for weight in (1, 2)]
    first, second = store(client, collection, *items)
    assert first["id"] != second["id"]


def test_the_same_id_again_replaces_everything(client, collection):
    """Vector, modality, metadata and media together."""
    store(client, collection, {"id": "a", "content": {"image": b64(files.png())}, "metadata": {"old": 1}})
    store(client, collection, {"id": "a", "content": "words", "metadata": {"new": 2}})
    item = client.get(f"{collection}/items/a").json()
    assert (item["modality"], item["metadata"]) == ("text", {"new": 2})
    assert client.get(f"{collection}/items/a/media").text == "words"
    assert counted(client, collection) == {"text": 1}


def test_an_id_given_twice_is_refused_the_second_time(client, collection):
    """One id cannot mean two things in one request."""
    first, second = store(client, collection, {"id": "a", "content": "x"}, {"id": "a", "content": "y"})
    assert first["status"] == "stored"
    assert second["error"]["code"] == "duplicate_id"
    assert client.get(f"{collection}/items/a/media").text == "x"


def test_faults_of_an_item_itself_are_its_own(client, collection):
    """An empty or long id, metadata of 1 MB, a vector too short, no content: each alone."""
    faults = [
        {"id": "", "content": "a"},
        {"id": "x" * 10_000, "content": "a"},
        {"id": 5, "content": "a"},
        {"content": "a", "metadata": {"big": "x" * 1_000_000}},
        {"content": "a", "metadata": [1]},
        {"vector": [1.0], "modality": "text"},
        {"vector": [0.0] * DIM, "modality": "text"},
        {"vector": [1.0] * DIM, "modality": "smell"},
        {"content": "a", "vector": [1.0] * DIM},
        {"content": "a", "colour": "red"},
        {"content": {"id": "other"}},
        {},
        5,
    ]
    results = store(client, collection, *faults, {"id": "good", "content": "a"})
    assert [each["status"] for each in results] == ["error"] * len(faults) + ["stored"]
    places = [each["error"]["param"] for each in results[:-1]]
    assert all(place.startswith(f"items[{i}]") for i, place in enumerate(places)), places
    assert counted(client, collection) == {"text": 1}


def test_ready_vectors_are_stored(client, collection):
    """`vector` and `modality` in place of content."""
    vector = np.arange(1, DIM + 1, dtype=np.float32)
    store(client, collection, {"id": "v", "vector": vector.tolist(), "modality": "audio"})
    item = client.get(f"{collection}/items/v", params={"with_vector": True}).json()
    assert item["modality"] == "audio"
    assert np.allclose(item["vector"], vector / np.linalg.norm(vector), atol=1e-6)
    assert client.get(f"{collection}/items/v/media").status_code == 404


def test_a_form_of_several_files_becomes_items(client, collection):
    """Modalities by media type, metadata and ids by file name; a broken file fails alone."""
    form = [
        ("file", ("a.png", files.png(), "image/png")),
        ("file", ("b.wav", files.wav(), "audio/wav")),
        ("file", ("c.txt", b"a dog", "text/plain")),
        ("file", ("broken.jpg", files.jpeg()[:100], "image/jpeg")),
        ("file", ("what.bin", b"??", "application/octet-stream")),
    ]
    fields = {"metadata": json.dumps({"b.wav": {"loud": True}}), "ids": json.dumps({"b.wav": "bark"})}
    body = client.post(f"{collection}/items", files=form, data=fields).json()
    assert [each["file"] for each in body["results"]] == [name for _, (name, _, _) in form]
    assert [each.get("modality") for each in body["results"]] == ["image", "audio", "text", None, None]
    assert body["results"][4]["error"]["code"] == "unsupported_media_type"
    assert (body["stored"], body["failed"]) == (3, 2)
    assert client.get(f"{collection}/items/bark").json()["metadata"] == {"loud": True}
    text = client.get(f"{collection}/items", params={"modality": "text"}).json()["items"][0]
    assert text["metadata"] == {"file": "c.txt"}


def test_a_form_may_say_what_its_files_are(client, collection):
    """A 16-bit PNG as depth, not as the picture that its name says."""
    form = [("file", ("d.png", files.depth_png(), "image/png"))]
    answer = client.post(f"{collection}/items", files=form, data={"modality": "depth", "fx": "518.9"})
    assert answer.json()["results"][0]["modality"] == "depth"
    refused = client.post(f"{collection}/items", files=form, data={"modality": "smell"})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "modality")
    refused = client.post(f"{collection}/items", files=form, data={"metadata": '{"other.png": {}}'})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "metadata")


def test_pages_show_every_item_once_in_one_order(client, collection):
    """Cursors, a filter by modality, and vectors where asked for."""
    items = [{"id": f"t{i}", "content": f"text {i}"} for i in range(7)]
    store(client, collection, *items, {"id": "p", "content": {"image": b64(files.png())}})
    seen, cursor = [], None
    while True:
        params = {"limit": 3, **({"cursor": cursor} if cursor else {})}
        page = client.get(f"{collection}/items", params=params).json()
        seen += [each["id"] for each in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [*(f"t{i}" for i in range(7)), "p"]
    pictures = client.get(f"{collection}/items", params={"modality": "image", "with_vector": True}).json()
    assert [each["id"] for each in pictures["items"]] == ["p"]
    assert len(pictures["items"][0]["vector"]) == DIM


@pytest.mark.parametrize(
    "params", [{"limit": 0}, {"limit": 1001}, {"cursor": "nonsense"}, {"modality": "smell"}]
)
def test_a_page_that_cannot_be_is_refused(client, collection, params):
    """400 that names the parameter or what it accepts."""
    answer = client.get(f"{collection}/items", params=params)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == next(iter(params))


@pytest.mark.parametrize(
    ("path", "accepted"),
    [
        ("", "none"),
        ("/items", "cursor, limit, modality, with_vector"),
        ("/items/a", "with_vector"),
        ("/items/a/media", "none"),
        ("/items/a/preview", "at, size"),
        ("/map", "limit"),
        ("/../../collections", "none"),
        ("/../../jobs", "limit"),
        ("/../../label-sets", "none"),
    ],
)
def test_a_name_in_the_query_that_is_not_known_is_refused(client, collection, path, accepted):
    """400 `unknown_parameter` that lists the known ones, where a mistyped name would change nothing."""
    store(client, collection, {"id": "a", "content": {"image": b64(files.png())}})
    assert client.get(f"{collection}{path}").status_code == 200
    answer = client.get(f"{collection}{path}", params={"limitt": 3})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, "unknown_parameter", "limitt")
    assert error["message"].endswith(f"accepted: {accepted}")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/", "/docs", "/meta", "/v1/models"])
def test_probes_pages_and_doors_of_others_may_add_names(client, path):
    """Health checks add times, and clients of OpenAI and Weaviate what those know."""
    assert client.get(path, params={"ts": 3}).status_code == 200


def test_items_are_deleted_by_id_by_ids_and_by_filter(client, collection):
    """Each says how many; what is not there is 404 for one, passed over in a list."""
    items = [{"id": f"{i}", "content": f"text {i}", "metadata": {"n": i}} for i in range(6)]
    store(client, collection, *items)
    assert client.delete(f"{collection}/items/0").json() == {"deleted": 1}
    assert client.delete(f"{collection}/items/0").status_code == 404
    answer = client.post(f"{collection}/items/delete", json={"ids": ["0", "1", "2"]})
    assert answer.json() == {"deleted": 2}
    condition = {"must": [{"key": "n", "range": {"gte": 5}}]}
    assert client.post(f"{collection}/items/delete", json={"filter": condition}).json() == {"deleted": 1}
    both = client.post(f"{collection}/items/delete", json={"ids": ["3"], "filter": condition})
    assert both.status_code == 400
    assert counted(client, collection) == {"text": 2}


def test_what_was_stored_is_there_after_a_restart(serve, tmp_path):
    """Stop one server, start another on the same folder."""
    first = serve(data_dir=tmp_path / "kept")
    first.put("/v1/collections/c")
    store(first, "/v1/collections/c", {"id": "a", "content": "a dog", "metadata": {"k": 1}})
    first.app.state.engine.store.close()
    second = serve(data_dir=tmp_path / "kept")
    found = second.post("/v1/collections/c/search", json={"query": "a dog"}).json()["results"]
    assert [(each["id"], each["metadata"]) for each in found] == [("a", {"k": 1})]


@pytest.mark.parametrize("name", ["a/media", "media", "/media", "a/media/media", "ü/media"])
def test_an_id_may_end_like_the_path_of_its_media(client, collection, name):
    """Percent-encoded, it is read, served and deleted as itself; plain `/media` is the file of the rest."""
    store(client, collection, {"id": "a", "content": "of a"}, {"id": name, "content": "of the other"})
    path = f"{collection}/items/{quote(name, safe='')}"
    assert client.get(path).json()["id"] == name
    assert client.get(f"{path}/media").text == "of the other"
    assert client.get(f"{collection}/items/a/media").text == "of a"
    assert client.delete(path).json() == {"deleted": 1}
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("name", [".", "..", "../b", "a/../b", "a/.", "../../other"])
def test_ids_that_clients_fold_are_refused(client, collection, name):
    """No item can be stored whose address a client would turn into that of another thing."""
    for answer in (
        client.post(f"{collection}/items", json={"items": [{"id": name, "content": "a"}]}),
        client.post(
            f"{collection}/items",
            files=[("file", ("a.txt", b"a", "text/plain"))],
            data={"ids": json.dumps({"a.txt": name})},
        ),
    ):
        assert answer.status_code == 422
        assert answer.json()["error"]["code"] == "invalid_id"
        assert answer.json()["results"][0]["id"] == name
    assert counted(client, collection) == {}


def test_a_form_with_too_many_files_is_too_large(client, collection):
    """One file more than a request may have is 413, as for JSON."""
    many = [("file", (f"{i}.txt", b"a", "text/plain")) for i in range(65)]
    for path in (f"{collection}/items", "/v1/embeddings/text"):
        answer = client.post(path, files=many)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request_too_large")
        assert "64" in answer.json()["error"]["message"]
