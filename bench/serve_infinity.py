"""Our server beside infinity, both around the same CLIP of random weights, over HTTP.

    python -m venv infinity
    infinity/bin/pip install infinity-emb==0.0.77 transformers==4.48.3 "sentence-transformers<4"
    infinity/bin/pip install "optimum<2" "huggingface_hub<1" prometheus-fastapi-instrumentator aiohttp
    infinity/bin/pip install typer fastapi uvicorn soundfile pillow
    python -m bench.serve_infinity infinity/bin/infinity_emb [--seconds 3]

Both in fp32 on all cores, each asked in turn as bench/serve.py asks: many callers, then one alone. First the
vectors are compared, so that both do the same work.
"""

from __future__ import annotations

import argparse
import base64
import json
import statistics
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import numpy as np

import models
from bench import clip_folder
from bench.serve import BATCH, CONNECTIONS, EXAMPLES, FILES, ROUNDS, TEXTS
from bench.serve_load import Load, called, request
from bench.serve_process import Running

ARCH = "ViT-B-32-quickgelu"
MODEL = f"open_clip:{ARCH}/none"
SERVED = "clip"


class Infinity(Running):
    """infinity around a folder of transformers; its flags as variables, since their names have changed."""

    health = "/health"

    def environment(self, settings: Mapping[str, object]) -> dict[str, str]:
        told = {
            "model_id": settings["folder"],
            "served_model_name": SERVED,
            "port": self.port,
            "host": "127.0.0.1",
            "engine": "torch",
            "device": "cpu",
            "dtype": "float32",
            "batch_size": BATCH,
            "bettertransformer": "false",
            "model_warmup": "false",
            "anonymous_usage_stats": "0",
            "log_level": "error",
        }
        offline = {"HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"}
        return {f"INFINITY_{name.upper()}": str(value) for name, value in told.items()} | offline


def uri(name: str) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode((EXAMPLES / name).read_bytes()).decode()}"


def bodies() -> dict[str, tuple[str, int, list[dict[str, Any]]]]:
    """Name -> modality, inputs a request, requests: infinity's own, which both understand."""
    rolled = [TEXTS[i:] + TEXTS[:i] for i in range(8)]
    return {
        "text, 1 a request": ("text", 1, [{"input": [text]} for text in TEXTS]),
        f"text, {BATCH} a request": ("text", BATCH, [{"input": texts[:BATCH]} for texts in rolled]),
        "image, data URI": (
            "image",
            1,
            [{"input": [uri(name)], "modality": "image"} for name in FILES["image"]],
        ),
    }


def load_of(name: str, path: str, model: str) -> Load:
    modality, items, wanted = bodies()[name]
    told = {"model": model, "encoding_format": "base64"}
    return Load(
        name, modality, [request(path, json.dumps({**told, **body}).encode()) for body in wanted], items
    )


def vectors(port: int, path: str, model: str, body: dict[str, Any]) -> np.ndarray:
    data = json.dumps({"model": model, **body}).encode()
    asked = Request(f"http://127.0.0.1:{port}{path}", data, {"content-type": "application/json"})
    with urlopen(asked) as answer:
        return np.array([each["embedding"] for each in json.load(answer)["data"]])


def measure(servers: Mapping[str, tuple[int, str, str]], seconds: float) -> None:
    """`servers`: name -> port, path, name of the model."""
    for name, (_, items, wanted) in bodies().items():
        ours, theirs = (vectors(*where, wanted[0]) for where in servers.values())
        print(f"{name}: smallest cosine between the two {np.sum(ours * theirs, 1).min():.6f}")
        rates: dict[str, list[float]] = {each: [] for each in servers}
        alone: dict[str, list[float]] = {each: [] for each in servers}
        for _ in range(ROUNDS):
            for each, (port, path, model) in servers.items():
                load = load_of(name, path, model)
                called(load, port, connections=1, seconds=0.5)
                many = called(load, port, connections=max(4, CONNECTIONS // items), seconds=seconds)
                rates[each].append(many["served_per_s"] * items)
                alone[each].append(1e3 * called(load, port, connections=1, seconds=seconds / 2)["p50"])
        for each in servers:
            rate, one = statistics.median(rates[each]), statistics.median(alone[each])
            print(f"  {each:<9} {rate:7.1f} items/s, one caller {one:7.1f} ms")
        ratio = statistics.median(a / b for a, b in zip(*rates.values(), strict=True))
        print(f"  ours is {ratio:.2f} x as fast", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("infinity", type=Path, help="infinity's command, in an environment of its own")
    parser.add_argument("--seconds", type=float, default=3)
    arguments = parser.parse_args()
    model: Any = models.load(MODEL).towers["image"].encoder.model
    with tempfile.TemporaryDirectory() as place:
        clip_folder.write(Path(place), ARCH, model)
        del model
        with (
            Running(model=MODEL, gallery=False) as ours,
            Infinity([str(arguments.infinity), "v2"], folder=place) as theirs,
        ):
            measure(
                {
                    "ours": (ours.port, "/v1/embeddings", MODEL),
                    "infinity": (theirs.port, "/embeddings", SERVED),
                },
                arguments.seconds,
            )


if __name__ == "__main__":
    main()
