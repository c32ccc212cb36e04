"""Our server over HTTP beside the bare embedder, and beside a plain server around the same towers.

    python -m bench.serve [--seconds 3] [--only text] [--no-peer]
    python -m bench.serve --overload [--seconds 120] [--only text]

Throughput: many callers in a process of their own, against `embedder.embed` in a loop over samples that are
decoded already, in batches of BATCH; the two in turns. Latency: one caller alone, against decode and encode
of the same input in a loop. `--overload`: ten times what can be sustained (see bench/serve_overload.py).
"""

from __future__ import annotations

import argparse
import base64
import json
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import models
from bench import serve_overload
from bench.serve_load import Load, called, ceiling, request
from bench.serve_process import PLAIN, Running
from models.embedder import Embedder

EXAMPLES = Path(__file__).parent.parent / "examples"
FILES = {
    "image": ("cat.jpg", "coffee.jpg", "rocket.jpg"),
    "audio": ("dog.ogg", "rooster.ogg", "sea.ogg"),
}
SUBJECTS = ("a dog", "a cat", "two children", "an old man", "waves", "a train", "rain", "a violin")
DEEDS = ("in the snow", "on a beach", "far away", "at night", "behind a wall", "in a crowd", "in a kitchen")
TEXTS = [f"{subject} {deed}" for subject in SUBJECTS for deed in DEEDS]
BATCH = 32
CONNECTIONS = 2 * BATCH
BOUNDARY = "bench"
ROUNDS = 3


def as_json(inputs: list[object]) -> bytes:
    """What an OpenAI client sends: the official ones ask for base64."""
    return request("/v1/embeddings", json.dumps({"input": inputs, "encoding_format": "base64"}).encode())


def as_form(modality: str, names: list[str]) -> bytes:
    parts = b"".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
        + (EXAMPLES / name).read_bytes()
        + b"\r\n"
        for name in names
    )
    field = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="encoding_format"\r\n\r\nbase64\r\n'.encode()
    )
    body = parts + field + f"--{BOUNDARY}--\r\n".encode()
    return request(f"/v1/embeddings/{modality}", body, f"multipart/form-data; boundary={BOUNDARY}")


def in_base64(modality: str, name: str) -> dict[str, str]:
    return {modality: base64.b64encode((EXAMPLES / name).read_bytes()).decode()}


def loads() -> Iterator[Load]:
    """One input per request, and as many as fill a batch."""
    yield Load("text, 1 a request", "text", [as_json([text]) for text in TEXTS], 1)
    rolled = [TEXTS[i:] + TEXTS[:i] for i in range(8)]
    yield Load(f"text, {BATCH} a request", "text", [as_json(texts[:BATCH]) for texts in rolled], BATCH)
    for modality, names in FILES.items():
        yield Load(f"{modality}, form", modality, [as_form(modality, [name]) for name in names], 1)
        coded = [as_json([in_base64(modality, name)]) for name in names]
        yield Load(f"{modality}, base64", modality, coded, 1)
        yield Load(f"{modality}, form of 8", modality, [as_form(modality, [*names, *names, *names[:2]])], 8)


def contents(modality: str) -> list[bytes]:
    """The inputs of a modality as they come over the wire."""
    if modality == "text":
        return [text.encode() for text in TEXTS]
    return [(EXAMPLES / name).read_bytes() for name in FILES[modality]]


def bare_rate(embedder: Embedder, modality: str, seconds: float) -> float:
    """Items a second of the embedder alone, samples ready, in batches of BATCH."""
    samples = [embedder.decode(modality, data) for data in contents(modality)]
    batch = (samples * BATCH)[:BATCH]
    embedder.embed(modality, batch)
    done, begun = 0, time.perf_counter()
    while (taken := time.perf_counter() - begun) < seconds:
        embedder.embed(modality, batch)
        done += BATCH
    return done / taken


def bare_latency(embedder: Embedder, modality: str, seconds: float) -> float:
    """Median seconds of decoding and encoding one input."""
    inputs, taken = contents(modality), []
    begun = time.perf_counter()
    while time.perf_counter() - begun < seconds:
        before = time.perf_counter()
        embedder.embed(modality, [embedder.decode(modality, inputs[len(taken) % len(inputs)])])
        taken.append(time.perf_counter() - before)
    return statistics.median(taken)


def throughput(embedder: Embedder, load: Load, port: int, seconds: float) -> str:
    """Rates in turns, and the median over the rounds of their quotient."""
    rounds = []
    connections = max(4, CONNECTIONS // load.items)
    for _ in range(ROUNDS):
        bare = bare_rate(embedder, load.modality, seconds)
        served = called(load, port, connections=connections, seconds=seconds)["served_per_s"] * load.items
        rounds.append((served / bare, served, bare))
    ratio, served, bare = (statistics.median(each) for each in zip(*rounds, strict=True))
    return f"{served:7.0f} items/s over HTTP, {bare:7.0f} bare: {ratio:5.2f} x"


def latency(embedder: Embedder, load: Load, port: int, seconds: float) -> str:
    """Median time of one caller alone beyond decode and encode, in turns."""
    rounds = []
    for _ in range(ROUNDS):
        bare = bare_latency(embedder, load.modality, seconds)
        alone = called(load, port, connections=1, seconds=seconds)["p50"]
        rounds.append((1e3 * (alone - bare), 1e3 * alone, 1e3 * bare))
    added, alone, bare = (statistics.median(each) for each in zip(*rounds, strict=True))
    return f"one caller {alone:6.2f} ms, bare {bare:6.2f} ms: {added:+6.2f} ms"


def measure(arguments: argparse.Namespace) -> None:
    embedder = models.load("sensorium-small")
    chosen = [each for each in loads() if each.name.startswith(arguments.only)]
    print(f"callers alone: {ceiling(chosen[0], CONNECTIONS, 1):.0f} requests/s against a server of no work")
    servers = ["ours"] if arguments.no_peer else ["ours", "plain FastAPI"]
    for load in chosen:
        for name in servers:
            with Running(None if name == "ours" else PLAIN) as server:
                called(load, server.port, connections=4, seconds=1)
                print(f"{load.name:<20} {name:<14}", end=" ", flush=True)
                print(throughput(embedder, load, server.port, arguments.seconds), end="; ", flush=True)
                one = load.items == 1
                print(latency(embedder, load, server.port, arguments.seconds / 2) if one else "", flush=True)


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, help="of each measurement (3), or of the overload (120)")
    parser.add_argument("--only", default="", help="how the names of the loads begin")
    parser.add_argument("--no-peer", action="store_true", help="only our server")
    parser.add_argument("--overload", action="store_true", help="ten times what can be sustained")
    arguments = parser.parse_args(words)
    if arguments.overload:
        chosen = [each for each in loads() if each.name.startswith(arguments.only or "text, 1")]
        serve_overload.measure(chosen[0], CONNECTIONS // chosen[0].items or 1, arguments.seconds or 120)
        return
    arguments.seconds = arguments.seconds or 3
    measure(arguments)


if __name__ == "__main__":
    main()
