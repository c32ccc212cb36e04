"""Addresses in place of files, in every request that takes files."""

import base64

import httpx
import pytest

from service.app import create_app
from service.fetching.fetcher import Fetcher
from service.fetching.policy import Policy
from service.settings import Settings
from tests.conftest import PATIENCE_S, running, wait_until_ready
from tests.odd_hosts import PICTURE, Detour, resolve, running_host
from tests.small_embedder import small_embedder

HOST = "http://media.test.example"
CAT, TONE = f"{HOST}/cat.png", f"{HOST}/tone.wav"
EMBEDDINGS = "/v1/embeddings"
ENCODED = {"image": base64.b64encode(PICTURE).decode()}


@pytest.fixture(scope="module")
def fetching(tmp_path_factory):
    """A client of a server that fetches, and that finds the odd host behind made-up names."""
    values = {"fetch": "public", "fetch_http": True, "fetch_timeout_s": 5}
    settings = Settings(data_dir=tmp_path_factory.mktemp("fetching"), **values)
    with running_host() as (_, port):
        fetcher = Fetcher(Policy.of(settings), resolve, Detour(port))
        app = create_app(settings, small_embedder(), fetcher=fetcher)
        with running(app) as url, httpx.Client(base_url=url, timeout=PATIENCE_S) as client:
            wait_until_ready(url)
            yield client


def vectors(client, **body):
    answer = client.post(EMBEDDINGS, json=body)
    assert answer.status_code == 200, answer.text
    return [each["embedding"] for each in answer.json()["data"]]


@pytest.mark.parametrize(
    "body",
    [
        {"input": [{"image": CAT}]},
        {"input": {"image": f"{HOST}/moved"}},
        {"input": [CAT], "modality": "image"},
        {"input": [{"type": "image_url", "image_url": {"url": CAT}}]},
        {"input": [{"type": "image_url", "image_url": CAT}]},
        {"input": [{"content": [{"type": "image_url", "image_url": {"url": CAT}}]}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": CAT}}]}]},
        {"inputs": [{"content": [{"type": "image_url", "image_url": {"url": CAT}}]}]},
        {"images": [CAT]},
    ],
)
def test_an_address_gives_the_vector_of_the_file_behind_it(fetching, body):
    """In our own words and in those of OpenAI, infinity, vLLM, Jina, Cohere and Voyage."""
    assert vectors(fetching, **body)[0] == pytest.approx(vectors(fetching, input=[ENCODED])[0], abs=1e-6)


def test_sounds_are_fetched_as_well(fetching):
    """An `audio_url` is fetched like an image's, and stands beside a text."""
    sound = {"type": "audio_url", "audio_url": {"url": TONE}}
    found = vectors(fetching, input=[sound, {"audio": TONE}, "a tone"])
    assert found[0] == pytest.approx(found[1], abs=1e-6)
    assert found[0] != pytest.approx(found[2], abs=1e-6)


@pytest.mark.parametrize(
    ("address", "code"),
    [("http://127.0.0.1/a.png", "fetch_refused"), (f"{HOST}/inside", "fetch_refused"),
     (f"{HOST}/page", "fetch_refused"), (f"{HOST}/gone", "fetch_failed"), (f"{HOST}/cut", "fetch_failed")],
)  # fmt: skip
def test_the_input_that_cannot_be_had_is_named(fetching, address, code):
    """422 with a code and the place, and nothing of what the host said."""
    answer = fetching.post(EMBEDDINGS, json={"input": ["a", {"image": CAT}, {"image": address}]})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (422, code, "input[2]")
    assert "secret" not in answer.text


def test_a_fetched_file_that_is_no_picture_is_told_without_its_contents(fetching):
    """What comes back is decoded like an upload; its bytes are in no message."""
    answer = fetching.post(EMBEDDINGS, json={"input": {"image": f"{HOST}/broken.png"}})
    assert answer.status_code == 415
    assert "secret" not in answer.text


def test_an_item_that_cannot_be_had_fails_alone(fetching):
    """Its neighbours are stored; the same content by address and by base64 is the same item."""
    assert fetching.put("/v1/collections/fetched").status_code == 201
    items = [
        {"content": {"image": CAT}},
        {"id": "b", "content": {"image": f"{HOST}/gone"}},
        {"content": "text"},
    ]
    answer = fetching.post("/v1/collections/fetched/items", json={"items": items}).json()
    assert [each["status"] for each in answer["results"]] == ["stored", "error", "stored"]
    assert answer["results"][1]["id"] == "b"
    assert answer["results"][1]["error"]["code"] == "fetch_failed"
    assert answer["results"][1]["error"]["param"] == "items[1].content"
    again = fetching.post("/v1/collections/fetched/items", json={"items": [{"content": ENCODED}]}).json()
    assert again["results"][0]["id"] == answer["results"][0]["id"]
    kept = fetching.get(f"/v1/collections/fetched/items/{again['results'][0]['id']}/media")
    assert (kept.content, kept.headers["content-type"]) == (PICTURE, "image/png")


def test_searches_and_classes_take_addresses(fetching):
    """A query, a part of a blend, an input to classify and a list to compare."""
    assert fetching.put("/v1/collections/asked").status_code == 201
    stored = {"items": [{"id": "cat", "content": ENCODED}]}
    assert fetching.post("/v1/collections/asked/items", json=stored).status_code == 200
    for query in ({"image": CAT}, [{"image": CAT}, {"text": "a cat", "weight": 0.01}]):
        found = fetching.post("/v1/collections/asked/search", json={"query": query}).json()
        assert found["results"][0]["id"] == "cat"
    classes = fetching.post("/v1/classify", json={"input": {"image": CAT}, "labels": ["a", "b"]})
    assert classes.status_code == 200
    same = fetching.post("/v1/similarity", json={"a": [{"image": CAT}], "b": [ENCODED]}).json()
    assert same["scores"][0][0] == pytest.approx(1)


def test_weaviates_door_takes_base64_alone(fetching):
    """Weaviate sends files; an address there is refused even where others are fetched."""
    answer = fetching.post("/vectorize", json={"images": [CAT]})
    assert answer.status_code == 422
    assert "base64" in answer.text


def test_switched_off_every_address_is_refused_with_the_setting(client):
    """As the server usually stands: 422 that names the setting, whatever the form of the part."""
    for part in ({"image": CAT}, {"type": "image_url", "image_url": {"url": "https://media.test.example/a"}}):
        answer = client.post(EMBEDDINGS, json={"input": [part]})
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "fetching_not_enabled")
        assert "SENSORIUM_FETCH=public" in answer.text
