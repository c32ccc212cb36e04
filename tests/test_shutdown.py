"""SIGTERM to a real server process: who was accepted is answered, the store is closed, the exit code is 0."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from index import Store
from service.cli import cli
from tests.conftest import PATIENCE_S, wait_until_ready

# A server whose encoder for text waits for a file, so that the test decides how long a request takes.
SERVER = """
import dataclasses, sys, time
from pathlib import Path
from torch import nn
import service.engine
from tests.small_embedder import small_embedder

class Waiting(nn.Module):
    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, ids):
        Path("entered").touch()
        while not Path("go").exists():
            time.sleep(0.01)
        return self.encoder(ids)

def load(*_):
    embedder = small_embedder()
    tower = embedder.towers["text"]
    towers = {**embedder.towers, "text": dataclasses.replace(tower, encoder=Waiting(tower.encoder))}
    return dataclasses.replace(embedder, name="sensorium-small", towers=towers)

service.engine.load_model = load
service.engine.warm_up = lambda *_: None
from service.server import run
from service.settings import Settings
sys.exit(run(Settings()))
"""


@contextlib.contextmanager
def process(folder, port, **settings):
    """The server in a process of its own, ready."""
    given = {"port": port, "data_dir": folder / "data", "gallery": False, **settings}
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parent.parent),
        **{f"SENSORIUM_{name.upper()}": str(value) for name, value in given.items()},
    }
    with (folder / "log").open("w") as log:
        server = subprocess.Popen([sys.executable, "-c", SERVER], cwd=folder, env=environment, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}"
        give_up = time.monotonic() + PATIENCE_S
        while True:
            with contextlib.suppress(httpx.TransportError):
                wait_until_ready(url)
                break
            assert time.monotonic() < give_up, (folder / "log").read_text()
            assert server.poll() is None, (folder / "log").read_text()
            time.sleep(0.05)
        yield server, url
    finally:
        server.kill()
        server.wait()


def wait_for(path):
    give_up = time.monotonic() + PATIENCE_S
    while not path.exists():
        assert time.monotonic() < give_up, f"no {path}"
        time.sleep(0.01)


def asking(call):
    """Run `call` in a thread; gives the thread and the list that its answer goes into."""
    answers = []
    thread = threading.Thread(target=lambda: answers.append(call()))
    thread.start()
    return thread, answers


def test_accepted_requests_are_answered_and_stored(tmp_path, unused_port):
    """SIGTERM while an item is in the encoder: it is stored, its caller told, newcomers turned away."""
    with process(tmp_path, unused_port) as (server, url):
        assert httpx.put(f"{url}/v1/collections/c").status_code == 201
        items = {"items": [{"id": "a", "content": "a dog"}]}
        thread, answers = asking(
            lambda: httpx.post(f"{url}/v1/collections/c/items", json=items, timeout=PATIENCE_S)
        )
        wait_for(tmp_path / "entered")
        server.send_signal(signal.SIGTERM)
        give_up = time.monotonic() + PATIENCE_S
        with contextlib.suppress(httpx.TransportError):
            while time.monotonic() < give_up:
                httpx.get(f"{url}/healthz")
        assert server.poll() is None
        (tmp_path / "go").touch()
        thread.join(PATIENCE_S)
        assert answers[0].status_code == 200
        assert answers[0].json()["stored"] == 1
        assert server.wait(PATIENCE_S) == 0
    with contextlib.closing(Store.open(tmp_path / "data")) as store:
        assert store.get("c").get("a").metadata == {}


def test_what_never_ends_is_cut_off_at_the_end_of_the_grace_period(tmp_path, unused_port):
    """An encoder that hangs and an upload that never ends: told so, exit 0; the store can be opened."""
    with process(tmp_path, unused_port, grace_s=0.5) as (server, url):
        assert httpx.put(f"{url}/v1/collections/c").status_code == 201

        thread, answers = asking(
            lambda: httpx.post(f"{url}/v1/embeddings", json={"input": "a dog"}, timeout=PATIENCE_S)
        )
        wait_for(tmp_path / "entered")
        with socket.create_connection(("127.0.0.1", unused_port)) as upload:
            upload.sendall(b"POST /v1/embeddings HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{")
            server.send_signal(signal.SIGTERM)
            assert server.wait(PATIENCE_S) == 0
        thread.join(PATIENCE_S)
    assert (answers[0].status_code, answers[0].json()["error"]["code"]) == (503, "not_ready")
    assert answers[0].headers["retry-after"]
    assert answers[0].headers["x-request-id"]
    with contextlib.closing(Store.open(tmp_path / "data")) as store:
        assert [each.name for each in store.list()] == ["c"]


@pytest.mark.parametrize("workers", ["0", "2"])
def test_more_workers_are_refused_with_the_reason(workers):
    """The weights would be there twice, and the data folder has one writer."""
    result = CliRunner().invoke(cli, ["serve", "--workers", workers])
    assert result.exit_code == 2
    assert "weights" in result.stderr
    assert "data folder" in result.stderr


def test_a_taken_port_ends_the_server_with_the_reason(tmp_path, unused_port):
    """While the model is still being loaded: an exit code of its own, no crash of compiled code."""
    environment = {
        **os.environ,
        "SENSORIUM_PORT": str(unused_port),
        "SENSORIUM_DATA_DIR": str(tmp_path / "data"),
    }
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", unused_port))
        holder.listen()
        for _ in range(3):
            done = subprocess.run(
                [sys.executable, "-m", "service"],
                cwd=Path(__file__).parent.parent,
                env=environment,
                capture_output=True,
                text=True,
                timeout=PATIENCE_S,
                check=False,
            )
            assert done.returncode == 1, done.stderr
            assert "address already in use" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("pause_s", [0.1, 0.5])
def test_a_signal_while_libraries_are_loaded_ends_the_server(tmp_path, unused_port, number, pause_s):
    """With 0, soon after its first line of the log; nothing is open yet."""
    environment = {
        **os.environ,
        "SENSORIUM_PORT": str(unused_port),
        "SENSORIUM_DATA_DIR": str(tmp_path / "data"),
        "SENSORIUM_NEVER_READ": "so that the log has a line before anything is loaded",
    }
    command = [sys.executable, "-m", "service"]
    folder = Path(__file__).parent.parent
    with subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert "SENSORIUM_NEVER_READ" in server.stderr.readline()
            time.sleep(pause_s)
            server.send_signal(number)
            assert server.wait(PATIENCE_S) == 0
        finally:
            server.kill()
