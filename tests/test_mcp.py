"""The tools as a language model's host uses them: the protocol's own client, over stdio and HTTP."""

import asyncio
import json
import socket
import subprocess
import sys
import time

import httpx
import pytest

from service.app import create_app
from service.settings import Settings
from tests import media_files as files
from tests.small_embedder import DIM, small_embedder

protocol = pytest.importorskip("mcp", reason="the extra `mcp` is not installed")

PROGRAM = [sys.executable, "-c", "from service.cli import main; main()", "mcp"]
PATIENCE_S = 90
PETS = {"labels": ["rain", "a dog"]}


def told(result):
    """What a tool gave, checked to be no error."""
    assert not result.is_error, result.content[0].text
    return result.structured_content or json.loads(result.content[0].text)


async def fault(client, tool, arguments):
    """The message of a tool that fails."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    return result.content[0].text


async def tour(client, collection):
    """Every tool, with text and with a file, and what goes wrong; needs the label set `pets`."""
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert set(tools) == {"embed", "search", "add", "classify"}
    assert all(tool.description for tool in tools.values())
    picture = {"image": {"file": "a.png"}}
    embedded = told(await client.call_tool("embed", {"inputs": ["a dog", picture]}))
    assert [len(vector) for vector in embedded["vectors"]] == [DIM, DIM]
    assert embedded["modalities"] == ["text", "image"]
    item = {"collection": collection, "content": "a dog", "id": "dog", "metadata": {"kind": "pet"}}
    assert told(await client.call_tool("add", item))["status"] == "stored"
    photo = {"collection": collection, "content": picture, "id": "photo"}
    assert told(await client.call_tool("add", photo))["modality"] == "image"
    search = {"collection": collection, "query": picture, "limit": 1, "modalities": ["image"]}
    assert told(await client.call_tool("search", search))["results"][0]["id"] == "photo"
    pets = {"must": [{"key": "kind", "match": {"value": "pet"}}]}
    found = told(await client.call_tool("search", {"collection": collection, "query": "x", "filter": pets}))
    assert [each["id"] for each in found["results"]] == ["dog"]
    labels = {"inputs": "a dog", "labels": ["rain", "a dog"]}
    assert told(await client.call_tool("classify", labels))["data"][0]["labels"][0]["label"] == "a dog"
    assert told(await client.call_tool("classify", {**labels, "top_k": 1}))["data"][0]["labels"][1:] == []
    named = {"inputs": "a dog", "label_set": "pets"}
    assert told(await client.call_tool("classify", named))["data"][0]["labels"][0]["label"] == "a dog"
    assert "absent" in await fault(client, "classify", {"inputs": "a", "label_set": "absent"})
    assert "either" in await fault(client, "classify", {**labels, "label_set": "pets"})
    assert "nowhere" in await fault(client, "search", {"collection": "nowhere", "query": "x"})
    assert "outside" in await fault(client, "embed", {"inputs": {"image": {"file": "../secret.png"}}})
    assert "absent.png" in await fault(client, "embed", {"inputs": {"image": {"file": "absent.png"}}})
    assert "base64" in await fault(client, "embed", {"inputs": {"image": "%%%"}})
    assert "WAV" in await fault(client, "add", {**photo, "content": {"audio": {"file": "a.png"}}})
    assert "labels" in await fault(client, "classify", {"inputs": "a"})


@pytest.fixture
def folder(tmp_path):
    """The folder that is open to the tools, and a file beside it that is not."""
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "a.png").write_bytes(files.png())
    (tmp_path / "secret.png").write_bytes(files.png())
    return tmp_path / "open"


@pytest.fixture
def pets(server):
    """A stored label set."""
    address = f"{server[1]}/v1/label-sets/pets"
    assert httpx.put(address, json=PETS).is_success
    yield
    httpx.delete(address)


@pytest.mark.usefixtures("pets")
def test_the_tools_over_stdio(server, folder):
    """`sensorium mcp --url` as a child of the client, as hosts start it."""
    words = [*PROGRAM[1:], "--url", server[1], "--files", str(folder)]
    child = protocol.StdioServerParameters(command=PROGRAM[0], args=words)

    async def talk():
        async with protocol.Client(child, read_timeout_seconds=PATIENCE_S) as client:
            await tour(client, "mcp-stdio")

    asyncio.run(talk())


def listening(port):
    give_up = time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.05)
    return False


@pytest.mark.usefixtures("pets")
def test_the_tools_over_http(server, folder, unused_port):
    """`sensorium mcp --http` at /mcp."""
    words = ["--url", server[1], "--files", str(folder), "--http", "--port", str(unused_port)]
    process = subprocess.Popen([*PROGRAM, *words], stderr=subprocess.PIPE, text=True)

    async def talk():
        url = f"http://127.0.0.1:{unused_port}/mcp"
        async with protocol.Client(url, read_timeout_seconds=PATIENCE_S) as client:
            await tour(client, "mcp-http")

    try:
        assert listening(unused_port), process.stderr.read()
        asyncio.run(talk())
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE_S)


def test_the_application_in_the_same_process(tmp_path, folder):
    """Without --url the tools stand on an application of their own."""
    from service.mcp_server import Service, here, make_server

    app = create_app(Settings(data_dir=tmp_path / "data"), small_embedder())

    async def talk():
        async with here(app) as http, protocol.Client(make_server(Service(http, folder))) as client:
            while (await http.get("/readyz")).status_code != 200:  # noqa: ASYNC110 - the state is behind HTTP
                await asyncio.sleep(0.01)
            await http.put("/v1/label-sets/pets", json=PETS)
            await tour(client, "mcp-here")

    asyncio.run(talk())


def test_a_model_that_is_not_loaded_is_a_tools_error(tmp_path):
    """While it loads, and where it cannot be, a tool answers at once with the reason."""
    from service.mcp_server import Service, here, make_server

    app = create_app(Settings(data_dir=tmp_path / "data", model="no-such"))

    async def talk():
        async with here(app) as http, protocol.Client(make_server(Service(http))) as client:
            assert "no-such" in await fault(client, "embed", {"inputs": "a"})

    asyncio.run(talk())


def test_a_service_that_is_not_there_is_a_tools_error(unused_port):
    """At once, with its address; without --files the file part says how to open a folder."""
    from service.mcp_server import Service, elsewhere, make_server

    async def talk():
        nobody = f"http://127.0.0.1:{unused_port}"
        async with elsewhere(nobody) as http, protocol.Client(make_server(Service(http))) as client:
            assert nobody in await fault(client, "embed", {"inputs": "a"})
            assert "--files" in await fault(client, "embed", {"inputs": {"image": {"file": "a.png"}}})

    asyncio.run(talk())
