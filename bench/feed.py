"""Is the encoder kept busy? A stream of JPEG and of MP3 files, decoded and prepared beside the encoder.

    python -m bench.feed [--items N] [--decoders N] [--precision P]

As the service does it: `decoders` threads decode and prepare, one thread encodes what is ready in batches.
Prints the encoder's idle share after the first batch, and what each step takes for one item alone.
"""

from __future__ import annotations

import argparse
import io
import queue
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter

import av
import numpy as np
from PIL import Image

import models
from bench.pairs import seconds
from models.embedder import Embedder

BATCH_VIEWS = 32
SIDE = (1024, 768)  # pixels
LENGTH_S = 5
RATE_HZ = 44_100
SEED = 0


def jpeg() -> bytes:
    """A smooth picture with some noise, about as large as a photograph of its size."""
    random = np.random.default_rng(SEED)
    coarse = Image.fromarray(random.integers(0, 256, (24, 32, 3), np.uint8)).resize(
        SIDE, Image.Resampling.BICUBIC
    )
    noise = random.normal(0, 6, (*SIDE[::-1], 3))
    pixels = (np.asarray(coarse) + noise).clip(0, 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=88)
    return out.getvalue()


def mp3() -> bytes:
    """Five seconds of noise."""
    waves = np.random.default_rng(SEED).normal(0, 0.1, (1, LENGTH_S * RATE_HZ)).astype(np.float32)
    out = io.BytesIO()
    with av.open(out, "w", "mp3") as container:
        stream = container.add_stream("mp3", rate=RATE_HZ, layout="mono")
        frame = av.AudioFrame.from_ndarray(waves, format="fltp", layout="mono")
        frame.sample_rate = RATE_HZ
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    return out.getvalue()


FILES: dict[str, Callable[[], bytes]] = {"image": jpeg, "audio": mp3}


@dataclass(frozen=True)
class Feed:
    """Seconds of the whole stream and of waiting for it, and of each step for one item alone."""

    total_s: float
    idle_s: float
    decode_s: float
    prepare_s: float
    encode_s: float

    def line(self, modality: str, items: int) -> str:
        steps = {"decode": self.decode_s, "prepare": self.prepare_s, "encode in a full batch": self.encode_s}
        alone = ", ".join(f"{name} {1e3 * spent:.1f} ms" for name, spent in steps.items())
        idle = self.idle_s / self.total_s
        return (
            f"{modality:<6} {items / self.total_s:8.1f} items/s   encoder idle {idle:5.1%}   an item: {alone}"
        )


def batches(ready: queue.Queue[models.Views], items: int) -> Iterator[tuple[list[models.Views], float]]:
    """What is ready, at most BATCH_VIEWS views but at least an item; and how long it was waited for [s]."""
    while items:
        start = perf_counter()
        batch = [ready.get()]
        waited = perf_counter() - start
        views = len(batch[0].tensor)
        while not ready.empty() and views < BATCH_VIEWS:
            batch.append(ready.get())
            views += len(batch[-1].tensor)
        items -= len(batch)
        yield batch, waited


def measure(embedder: Embedder, modality: str, items: int, decoders: int) -> Feed:
    """One stream of `items` requests that are all there at once."""
    data = FILES[modality]()
    sample = embedder.decode(modality, data)
    views = embedder.prepare(modality, sample)
    full = [views] * max(BATCH_VIEWS // len(views.tensor), 1)
    embedder.encode(modality, full)
    ready: queue.Queue[models.Views] = queue.Queue()
    idle = 0.0
    with ThreadPoolExecutor(decoders) as threads:
        for _ in range(items):
            threads.submit(lambda: ready.put(embedder.prepare(modality, embedder.decode(modality, data))))
        start = 0.0
        for number, (batch, waited) in enumerate(batches(ready, items)):
            start = start or perf_counter()
            idle += waited if number else 0.0
            embedder.encode(modality, batch)
        total = perf_counter() - start
    return Feed(
        total,
        idle,
        seconds(lambda: embedder.decode(modality, data)),
        seconds(lambda: embedder.prepare(modality, sample)),
        seconds(lambda: embedder.encode(modality, full)) / len(full),
    )


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--decoders", type=int, default=4)
    parser.add_argument("--precision", default="fp32")
    given = parser.parse_args(words)
    embedder = models.load("sensorium-small", modalities=list(FILES), precision=given.precision)
    for modality in FILES:
        print(
            measure(embedder, modality, given.items, given.decoders).line(modality, given.items), flush=True
        )


if __name__ == "__main__":
    main()
