"""Callers in a process of their own: kept-open connections that ask again as soon as they are answered.

    python -m bench.serve_load SPEC

SPEC is a JSON file: `port`, `seconds`, `connections`, `requests` (files of ready-made requests, sent in
turn) and `rate` [1/s] of all callers together, 0 = as fast as they are answered. Prints a JSON object.
With `--trivial` in place of SPEC it is a server that gives every request the same answer at once, which
shows what the callers themselves are capable of.
"""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

END_OF_HEAD = b"\r\n\r\n"
TRIVIAL = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
OK = 200


def request(path: str, body: bytes, content_type: str = "application/json") -> bytes:
    """One request, ready to send."""
    head = (
        f"POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}"
    )
    return head.encode() + END_OF_HEAD + body


def header(head: bytes, name: bytes) -> bytes | None:
    at = head.lower().find(b"\r\n" + name + b":")
    return None if at < 0 else head[at + len(name) + 3 :].partition(b"\r\n")[0].strip()


class Caller(asyncio.Protocol):
    """One connection; `log` receives (begun, seconds, status, whether Retry-After was there)."""

    def __init__(self, requests: Sequence[bytes], first: int, pause_s: float, log: list[Any]) -> None:
        self.requests, self.turn, self.pause_s, self.log = requests, first, pause_s, log
        self.buffer = b""
        self.begun = 0.0
        self.stopped = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        loop = asyncio.get_running_loop()
        # Those with a pace begin one after the other, spread over their first pause.
        self.due = perf_counter() + self.pause_s * (self.turn % 97) / 97
        loop.call_later(max(0.0, self.due - perf_counter()), self.ask)

    def ask(self) -> None:
        if self.transport.is_closing():
            return
        self.turn += 1
        self.due += self.pause_s
        self.begun = perf_counter()
        self.transport.write(self.requests[self.turn % len(self.requests)])

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        end = self.buffer.find(END_OF_HEAD)
        if end < 0:
            return
        head = self.buffer[:end]
        if len(self.buffer) - end - len(END_OF_HEAD) < int(header(head, b"content-length") or 0):
            return
        self.buffer = b""
        now = perf_counter()
        told = header(head, b"retry-after") is not None
        self.log.append((self.begun, now - self.begun, int(head[9:12]), told))
        wait = self.due - now
        if wait > 0:
            asyncio.get_running_loop().call_later(wait, self.ask)
        else:
            self.due = max(self.due, now - self.pause_s)
            self.ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.stopped.done():
            self.stopped.set_result(exc)


async def call(spec: dict[str, Any], requests: Sequence[bytes]) -> list[Any]:
    """Everything that was answered within the time."""
    log: list[Any] = []
    pause = spec["connections"] / spec["rate"] if spec.get("rate") else 0.0
    loop = asyncio.get_running_loop()
    callers = []
    for first in range(spec["connections"]):
        _, caller = await loop.create_connection(
            lambda first=first: Caller(requests, first, pause, log), "127.0.0.1", spec["port"]
        )
        callers.append(caller)
    await asyncio.sleep(spec["seconds"])
    for caller in callers:
        caller.transport.abort()
    return log


def summary(log: list[Any], seconds: float) -> dict[str, Any]:
    """Counts by status, answers a second, and percentiles [s] of those that were served."""
    served = np.array([taken for _, taken, status, _ in log if status == OK] or [np.nan])
    refused = [told for _, _, status, told in log if status != OK]
    p50, p99 = np.percentile(served, (50, 99))
    return {
        "statuses": dict(Counter(str(status) for _, _, status, _ in log)),
        "served_per_s": sum(status == OK for _, _, status, _ in log) / seconds,
        "asked_per_s": len(log) / seconds,
        "p50": float(p50),
        "p99": float(p99),
        "longest": float(served.max()),
        "without_retry_after": sum(not told for told in refused),
    }


class Trivial(asyncio.Protocol):
    """Answers whatever arrives, which is right for requests of one segment."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def data_received(self, _: bytes) -> None:
        self.transport.write(TRIVIAL)


async def serve_trivially() -> None:
    server = await asyncio.get_running_loop().create_server(Trivial, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@dataclass(frozen=True)
class Load:
    """A kind of traffic: `requests` in turn, each with `items` inputs."""

    name: str
    modality: str
    requests: Sequence[bytes]
    items: int


def begun(
    load: Load, port: int, *, connections: int, seconds: float, rate: float = 0
) -> tuple[subprocess.Popen[str], tempfile.TemporaryDirectory[str]]:
    """The process of the callers, which has just started, and the folder of its requests."""
    folder = tempfile.TemporaryDirectory()
    names = []
    for i, each in enumerate(load.requests):
        names.append(str(Path(folder.name, str(i))))
        Path(names[-1]).write_bytes(each)
    spec = Path(folder.name, "spec.json")
    spec.write_text(
        json.dumps(
            {"port": port, "seconds": seconds, "connections": connections, "rate": rate, "requests": names}
        )
    )
    command = [sys.executable, "-m", "bench.serve_load", str(spec)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True), folder


def ended(process: subprocess.Popen[str], folder: tempfile.TemporaryDirectory[str]) -> dict[str, Any]:
    """What the callers have seen."""
    answer, _ = process.communicate()
    folder.cleanup()
    result: dict[str, Any] = json.loads(answer)
    return result


def called(load: Load, port: int, **how: Any) -> dict[str, Any]:
    """Call for some seconds."""
    return ended(*begun(load, port, **how))


def ceiling(load: Load, connections: int, seconds: float) -> float:
    """Requests a second of the same callers against a server that does nothing."""
    command = [sys.executable, "-m", "bench.serve_load", "--trivial"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as trivial:
        assert trivial.stdout is not None
        port = int(trivial.stdout.readline())
        try:
            return float(called(load, port, connections=connections, seconds=seconds)["served_per_s"])
        finally:
            trivial.terminate()


def main() -> None:
    if sys.argv[1] == "--trivial":
        asyncio.run(serve_trivially())
        return
    spec = json.loads(Path(sys.argv[1]).read_text())
    requests = [Path(name).read_bytes() for name in spec["requests"]]
    gc.disable()
    print(json.dumps(summary(asyncio.run(call(spec, requests)), spec["seconds"])))


if __name__ == "__main__":
    main()
