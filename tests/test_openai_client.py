"""OpenAI's own Python client, with its defaults, pointed at us."""

import base64

import httpx
import numpy as np
import openai
import pytest

from tests import media_files as files
from tests.small_embedder import DIM


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
