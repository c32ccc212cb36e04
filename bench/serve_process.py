"""A server in a process of its own on a free port."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from socket import socket
from typing import Self
from urllib.error import URLError
from urllib.request import urlopen

PATIENCE_S = 120
PLAIN = (sys.executable, "-m", "bench.serve_peer")


def free_port() -> int:
    with closing(socket()) as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Running:
    """`sensorium serve` as everybody starts it; or another server by its words, health and environment."""

    words: Sequence[str] = (sys.executable, "-m", "service")
    health = "/readyz"

    def __init__(self, words: Sequence[str] | None = None, **settings: object) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.port = free_port()
        given = {**os.environ, **self.environment(settings)}
        with Path(self._folder.name, "log").open("w") as log:
            self.process = subprocess.Popen([*(words or self.words)], env=given, stderr=log, stdout=log)
        self._wait()

    def environment(self, settings: Mapping[str, object]) -> dict[str, str]:
        told = {"port": self.port, "data_dir": self._folder.name, **settings}
        return {f"SENSORIUM_{name.upper()}": str(value) for name, value in told.items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()
        self._folder.cleanup()

    def memory(self) -> int:
        """Resident bytes."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))

    def ready(self) -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{self.port}{self.health}", timeout=5):
                return True
        except (URLError, OSError):
            return False

    def _wait(self) -> None:
        give_up = time.monotonic() + PATIENCE_S
        while not self.ready():
            if time.monotonic() > give_up or self.process.poll() is not None:
                raise TimeoutError(Path(self._folder.name, "log").read_text()[-2000:])
            time.sleep(0.2)
