"""OpenAI's own clients, Python and Node, with their defaults, pointed at us."""

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path

import httpx
import numpy as np
import openai
import pytest

from tests import media_files as files
from tests.busy_gate import busy_server
from tests.small_embedder import DIM

NODE_TOUR = Path(__file__).with_name("openai_tour.mjs")


@pytest.fixture
def openai_client(server):
    with openai.OpenAI(base_url=f"{server[1]}/v1", api_key="unused", max_retries=0) as client:
        yield client


def test_strings_get_vectors(openai_client, client):
    """A string and a list of them, in the client's default base64, equal to plain floats."""
    answer = openai_client.embeddings.create(model="small-test", input=["a dog", "rain"])
    plain = client.post("/v1/embeddings", json={"input": ["a dog", "rain"]}).json()
    assert [each.index for each in answer.data] == [0, 1]
    for each, entry in zip(answer.data, plain["data"], strict=True):
        assert len(each.embedding) == DIM
        assert np.allclose(each.embedding, entry["embedding"], atol=1e-7)
    assert answer.usage.prompt_tokens == 9
    one = openai_client.embeddings.create(model="small-test", input="a dog")
    assert np.allclose(one.data[0].embedding, answer.data[0].embedding, atol=1e-6)


def test_token_ids_get_vectors(openai_client):
    """One list of ids is one text, lists of ids are several."""
    one = openai_client.embeddings.create(model="small-test", input=[98, 33, 101])
    several = openai_client.embeddings.create(model="small-test", input=[[98, 33, 101], [5]])
    assert len(one.data) == 1
    assert len(several.data) == 2
    assert np.allclose(one.data[0].embedding, several.data[0].embedding, atol=1e-6)


def test_image_parts_get_vectors(openai_client):
    """Dictionaries pass through the client; an `image_url` part equals our own `image` part."""
    uri = f"data:image/png;base64,{base64.b64encode(files.png()).decode()}"
    parts = [{"image": uri}, {"type": "image_url", "image_url": {"url": uri}}]
    answer = openai_client.embeddings.create(model="small-test", input=parts)
    assert np.allclose(answer.data[0].embedding, answer.data[1].embedding, atol=1e-6)
    extra = openai_client.embeddings.create(model="small-test", input=uri, extra_body={"modality": "image"})
    assert np.allclose(extra.data[0].embedding, answer.data[0].embedding, atol=1e-6)


def test_options_reach_the_model(openai_client):
    """`dimensions` and `encoding_format` by their names in the client."""
    answer = openai_client.embeddings.create(
        model="small-test", input="a dog", dimensions=4, encoding_format="float"
    )
    assert len(answer.data[0].embedding) == 4


def test_errors_become_the_clients_own(openai_client):
    """400, 404 and 422 as the exceptions that the client has for them, with message, param and code."""
    with pytest.raises(openai.NotFoundError) as missing:
        openai_client.embeddings.create(model="text-embedding-3-small", input="a dog")
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.UnprocessableEntityError) as broken:
        openai_client.embeddings.create(model="small-test", input=["a", {"image": "%%%"}])
    assert broken.value.param == "input[1]"
    with pytest.raises(openai.BadRequestError):
        openai_client.embeddings.create(model="small-test", input=[])


def test_models_are_listed(openai_client):
    """`models.list` and `models.retrieve`."""
    assert "small-test" in [each.id for each in openai_client.models.list()]
    assert openai_client.models.retrieve("small-test").owned_by == "sensorium"


async def embed_with_async_client(url):
    async with openai.AsyncOpenAI(
        base_url=f"{url}/v1", api_key="unused", http_client=httpx.AsyncClient()
    ) as client:
        return await client.embeddings.create(model="small-test", input="a dog")


def test_the_asynchronous_client_works_as_well(server):
    """One call through AsyncOpenAI."""
    import asyncio

    assert len(asyncio.run(embed_with_async_client(server[1])).data[0].embedding) == DIM


def test_base64_is_what_the_client_asks_for_by_itself(server):
    """Its default request says base64, and the vectors are those that were packed."""
    seen = []
    hooks = {"request": [lambda request: seen.append(json.loads(request.content))]}
    with (
        httpx.Client(event_hooks=hooks) as http,
        openai.OpenAI(base_url=f"{server[1]}/v1", api_key="unused", http_client=http) as client,
    ):
        by_default = client.embeddings.create(model="small-test", input="a dog").data[0].embedding
        floats = client.embeddings.create(model="small-test", input="a dog", encoding_format="float")
        packed = client.embeddings.create(model="small-test", input="a dog", encoding_format="base64")
    assert [each["encoding_format"] for each in seen] == ["base64", "float", "base64"]
    assert np.allclose(by_default, floats.data[0].embedding, atol=1e-7)
    unpacked = np.frombuffer(base64.b64decode(packed.data[0].embedding), "<f4")
    assert np.allclose(unpacked, by_default, atol=1e-7)


def test_every_refusal_has_its_class(openai_client):
    """413 and 415 are status errors with the server's code, and the request's id is there to ask about."""
    with pytest.raises(openai.APIStatusError) as many:
        openai_client.embeddings.create(model="small-test", input=["a"] * 65)
    assert (many.value.status_code, many.value.code) == (413, "request_too_large")
    assert many.value.request_id
    sound = {"audio": base64.b64encode(files.png()).decode()}
    with pytest.raises(openai.APIStatusError) as wrong:
        openai_client.embeddings.create(model="small-test", input=[sound])
    assert wrong.value.status_code == 415
    with pytest.raises(openai.BadRequestError) as long:
        openai_client.embeddings.create(model="small-test", input="a", dimensions=17)
    assert long.value.param == "dimensions"


def test_a_full_queue_is_waited_for(tmp_path):
    """429 with Retry-After: the client comes back by itself, or raises its RateLimitError."""
    with busy_server(tmp_path, "/v1/embeddings", busy=2, retry_after="0.01") as (gate, url):
        client = openai.OpenAI(base_url=f"{url}/v1", api_key="unused")
        assert len(client.embeddings.create(model="small-test", input="a dog").data[0].embedding) == DIM
        assert gate.seen == 3
        gate.seen = 0
        with pytest.raises(openai.RateLimitError) as full:
            client.with_options(max_retries=0).embeddings.create(model="small-test", input="a dog")
        client.close()
    assert full.value.code == "overloaded"


def test_the_node_client_does_the_same(tmp_path, client):
    """`openai` of npm, found through OPENAI_NODE_MODULES: lists, ids, options, errors, retries."""
    modules = os.environ.get("OPENAI_NODE_MODULES", "")
    if shutil.which("node") is None or not (Path(modules) / "openai").is_dir():
        pytest.skip("needs node, and OPENAI_NODE_MODULES = the node_modules folder of `npm install openai`")
    program = [shutil.which("node"), NODE_TOUR, Path(modules) / "openai" / "index.mjs"]
    with busy_server(tmp_path, "/v1/embeddings", busy=1) as (_, url):
        done = subprocess.run([*program, f"{url}/v1"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["lengths"] == [[DIM, DIM], [DIM], [DIM, DIM], [4]]
    assert told["missing"] == ["NotFoundError", 404, "model_not_found"]
    assert told["broken"] == ["UnprocessableEntityError", 422, "input[1]"]
    assert told["bad"] == ["BadRequestError", 400]
    assert "small-test" in told["models"]
    plain = client.post("/v1/embeddings", json={"input": "a dog"}).json()["data"][0]["embedding"]
    assert np.allclose(told["first"], plain, atol=1e-6)
