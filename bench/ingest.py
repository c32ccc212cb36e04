"""Folders into a collection, beside the bare encoder on tensors that are prepared already.

`python -m bench.ingest [--images 5000] [--sounds 1000] [--model NAME --weights PATH]`: JPEGs and WAVs from
procedural pictures and sounds, the model of the package or another, a data folder on this disk. Three rates
for each modality that the model has, in items a second:

  bare    `Embedder.encode` on prepared tensors, all threads at one batch: no file is read, nothing stored
  bound   what these cores could do at best, were decoding, preparing and encoding all there is to do, and
          no thread ever to wait for another
  ingest  the whole: files read, hashed, decoded, encoded, originals and vectors stored durably
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

import models
from index import Store
from models import Embedder
from models.machine import compute_threads, use_threads
from models.media.limits import DEFAULT_LIMITS
from models.preparer import Preparer
from service.bulk.choosing import Plan
from service.bulk.lanes import Encoder
from service.bulk.pipeline import Ingest
from service.bulk.pool import DecodePool
from service.bulk.report import Report
from service.bulk.sources import Source, Wishes

WIDTH, HEIGHT, QUALITY = 320, 240, 85
SECONDS, RATE_HZ = 5.0, 16_000
SAMPLE = 64  # files that are decoded for the bare encoder
BATCH_VIEWS = 32
BARE_S = 4.0
ALONE_S = 1.0


def picture(rng: np.random.Generator) -> bytes:
    """Waves of three colours with some noise, as a JPEG of about 20 kB."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] / HEIGHT
    waves = [np.sin(rng.uniform(2, 40) * x + rng.uniform(2, 40) * y + rng.uniform(0, 6)) for _ in range(3)]
    pixels = 128 + 100 * np.stack(waves, -1) + rng.normal(0, 8, (HEIGHT, WIDTH, 3))
    buffer = BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


def sound(rng: np.random.Generator) -> bytes:
    """Three gliding tones with some noise, as a WAV."""
    times = np.arange(int(SECONDS * RATE_HZ)) / RATE_HZ
    tones = sum(np.sin(times * rng.uniform(300, 9000) * (1 + rng.uniform(0, 0.3) * times)) for _ in range(3))
    buffer = BytesIO()
    soundfile.write(
        buffer, 0.2 * tones + rng.normal(0, 0.02, times.size), RATE_HZ, format="WAV", subtype="PCM_16"
    )
    return buffer.getvalue()


def write(folder: Path, make: Callable[[np.random.Generator], bytes], ending: str, count: int) -> None:
    """Files of different content; the bytes after the first thousand repeat with another end."""
    folder.mkdir()
    made: list[bytes] = []
    for number in range(count):
        if number < 1000:
            made.append(make(np.random.default_rng(number)))
        # Both formats let trailing bytes pass, and no two files are to be the same.
        (folder / f"{number:05}{ending}").write_bytes(made[number % 1000] + number.to_bytes(4, "big"))


@dataclass(frozen=True)
class Bare:
    """Items a second of the encoder alone, and seconds of one processor per item of both steps."""

    rate: float
    prepare_s: float
    encode_s: float

    @property
    def bound(self) -> float:
        return len(os.sched_getaffinity(0)) / (self.prepare_s + self.encode_s)


def alone_s(work: Callable[[], object]) -> float:
    """Seconds of processor time in one thread, which waits for no other."""
    threads, times = compute_threads(), 0
    use_threads(1)
    work()
    began = time.process_time()
    while time.process_time() - began < ALONE_S:
        work()
        times += 1
    used = (time.process_time() - began) / times
    use_threads(threads)
    return used


def bare(embedder: Embedder, modality: str, folder: Path) -> Bare:
    files = [path.read_bytes() for path in sorted(folder.iterdir())[:SAMPLE]]
    views = [embedder.prepare(modality, embedder.decode(modality, data)) for data in files]
    size = max(1, BATCH_VIEWS // len(views[0].tensor))
    endless, unread, count = cycle(views), cycle(files), 0

    def encode() -> None:
        embedder.encode(modality, list(islice(endless, size)))

    encode()
    began = time.perf_counter()
    while time.perf_counter() - began < BARE_S:
        encode()
        count += size
    rate = count / (time.perf_counter() - began)
    prepare_s = alone_s(lambda: embedder.prepare(modality, embedder.decode(modality, next(unread))))
    return Bare(rate, prepare_s, alone_s(encode) / size)


def ingest(embedder: Embedder, folder: Path, data: Path, workers: int | None) -> float:
    """Items a second, from decoding processes that are there to the last durable item."""
    source, report = Source.of(str(folder)), Report()
    facts = {"model": embedder.name, "identity": embedder.identity, "dimension": embedder.dim}
    with Store.open(data) as store, DecodePool(Preparer.of(embedder, DEFAULT_LIMITS), workers) as pool:
        collection, _ = store.create(folder.name, **facts)
        pool.wait()
        one_pass = Ingest(
            Plan(source.label),
            embedder,
            Encoder.of(embedder),
            collection,
            pool,
            report,
            threading.Event(),
            BATCH_VIEWS,
        )
        began = time.perf_counter()
        one_pass.run(source.found(Wishes()))
        seconds = time.perf_counter() - began
        assert report.stored == sum(collection.info().items.values()), report.lines()
    assert report.failed == 0, report.lines()
    return report.stored / seconds


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--sounds", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=None)
    parser.add_argument("--model", default="sensorium-small")
    parser.add_argument("--weights", type=Path)
    chosen = parser.parse_args()
    embedder = models.load(chosen.model, weights=chosen.weights)
    with tempfile.TemporaryDirectory(prefix="sensorium-bench-") as place:
        root = Path(place)
        for modality, make, ending, count in (
            ("image", picture, ".jpg", chosen.images),
            ("audio", sound, ".wav", chosen.sounds),
        ):
            if modality not in embedder.modalities:
                continue
            folder = root / modality
            write(folder, make, ending, count)
            before = bare(embedder, modality, folder)
            rate = ingest(embedder, folder, root / "data", chosen.workers)
            after = bare(embedder, modality, folder)
            alone, bound = (before.rate + after.rate) / 2, (before.bound + after.bound) / 2
            print(
                f"{modality}: {count} files, bare {alone:.0f}/s, bound {bound:.0f}/s, ingest {rate:.0f}/s: "
                f"{rate / alone:.2f} x bare, {rate / bound:.2f} x bound  (decode and prepare "
                f"{before.prepare_s * 1e3:.2f} ms, encode {before.encode_s * 1e3:.2f} ms of processor time)",
                flush=True,
            )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{len(os.sched_getaffinity(0))} cores; at most {peak:.0f} MB in the main process")


if __name__ == "__main__":
    main()
