"""Our server over a folder of vectors, asked over HTTP with ready vectors."""

from __future__ import annotations

import http.client
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from socket import socket
from urllib.error import URLError
from urllib.request import urlopen

import numpy as np
import orjson
import uvicorn

from bench import cones
from bench.index import MODEL, NAME
from models.embedder import Embedder
from service.app import create_app
from service.settings import Settings

PATIENCE_S = 120


def serve(folder: Path, dim: int, port: int) -> None:
    """Serve as `sensorium serve` does, with a model that has the dimension of the vectors and no towers."""
    nothing = Embedder(
        name=MODEL["model"],
        dim=dim,
        towers={},
        identity=MODEL["identity"],
        licence="none",
        allows_shortening=False,
    )
    settings = Settings(data_dir=folder, port=port)
    uvicorn.run(
        create_app(settings, nothing), host=settings.host, port=port, log_config=None, access_log=False
    )


class Server:
    """A server process; every caller has a connection of its own."""

    def __init__(self, folder: Path, dim: int) -> None:
        with closing(socket()) as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        words = ["--serve", str(self._port), "--folder", str(folder), "--dim", str(dim)]
        self._process = subprocess.Popen([sys.executable, "-m", "bench.search", *words])
        give_up = time.monotonic() + PATIENCE_S
        while not self._ready():
            if time.monotonic() > give_up or self._process.poll() is not None:
                raise TimeoutError("the server did not become ready")
            time.sleep(0.2)

    def caller(self) -> Caller:
        return Caller(self._port)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()

    def _ready(self) -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{self._port}/readyz", timeout=5):
                return True
        except (URLError, OSError):
            return False


class Caller:
    """Searches over one connection that is kept open."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port)

    def __call__(self, query: np.ndarray) -> list[int]:
        body = orjson.dumps(
            {"query": {"vector": query}, "limit": cones.COUNT}, option=orjson.OPT_SERIALIZE_NUMPY
        )
        self._connection.request(
            "POST", f"/v1/collections/{NAME}/search", body, {"content-type": "application/json"}
        )
        answer = self._connection.getresponse().read()
        return [int(result["id"]) for result in orjson.loads(answer)["results"]]
