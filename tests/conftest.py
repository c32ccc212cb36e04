"""A real server in a thread on a free port, and clients that speak to it."""

import contextlib
import socket
import threading
import time

import httpx
import pytest
import uvicorn
from hypothesis import HealthCheck, settings

import models
from service.app import create_app
from service.settings import Settings
from tests.recordings import film
from tests.small_embedder import small_embedder

PATIENCE_S = 60
# A busy machine is no fault of what is tested.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
pytest_plugins = ["tests.python_client"]


@contextlib.contextmanager
def running(app):
    """The base URL of a uvicorn server with `app`, stopped at the end."""
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, timeout_keep_alive=75)
    )
    thread = threading.Thread(target=server.run, name="server")
    thread.start()
    try:
        give_up = time.monotonic() + PATIENCE_S
        while not server.started and thread.is_alive() and time.monotonic() < give_up:
            time.sleep(0.01)
        host, port = server.servers[0].sockets[0].getsockname()
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        thread.join(PATIENCE_S)


def wait_until_ready(url):
    """Answers of /readyz until it is 200."""
    give_up = time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up:
        if httpx.get(f"{url}/readyz", timeout=PATIENCE_S).status_code == 200:
            return
        time.sleep(0.02)
    raise TimeoutError(httpx.get(f"{url}/readyz").text)


@pytest.fixture
def serve(tmp_path):
    """A function that starts a server with the small embedder (or another) and gives a client to it."""
    with contextlib.ExitStack() as stack:

        def start(embedder=None, **settings):
            values = {"data_dir": tmp_path / "data", "max_batch_items": 64, **settings}
            app = create_app(Settings(**values), embedder or small_embedder())
            url = stack.enter_context(running(app))
            wait_until_ready(url)
            client = stack.enter_context(httpx.Client(base_url=url, timeout=PATIENCE_S))
            client.app = app
            return client

        yield start


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The app and the base URL of one server with the small embedder for the whole session."""
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("served"), max_batch_items=64, max_body_bytes=4_000_000
    )
    app = create_app(settings, small_embedder())
    with running(app) as url:
        wait_until_ready(url)
        yield app, url


@pytest.fixture
def client(server):
    """A client of the session's server."""
    with httpx.Client(base_url=server[1], timeout=PATIENCE_S) as client:
        yield client


@pytest.fixture
def collection(client, request):
    """The path of a fresh collection of the session's server."""
    name = f"c{abs(hash(request.node.nodeid))}"
    assert client.put(f"/v1/collections/{name}").status_code == 201
    yield f"/v1/collections/{name}"
    client.delete(f"/v1/collections/{name}")


@pytest.fixture(scope="session")
def small_model():
    """The model of the package."""
    return models.load("sensorium-small")


@pytest.fixture(scope="session")
def long_mp4():
    """A minute of film with stripes in a known part."""
    return film()


@pytest.fixture
def unused_port():
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
