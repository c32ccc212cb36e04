"""What to buy: memory and inputs a second of each modality of a model, as rows for docs/operations.md.

    python -m bench.sizing [--model NAME] [--weights PATH] [--precision bf16] [--device cuda] [--threads 2]

Ready samples go through the encoder one, eight and thirty-two at a time, so decoding and preparing are
not in it. Memory is that of the process after loading and after everything was run (resident; on a GPU its
own beside).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from time import perf_counter

import torch

from models.embedder import Embedder
from models.footprint import needed_bytes
from service.engine import warm_up
from service.loading import load_model
from service.settings import Settings

SIZES = (1, 8, 32)
STATUS = Path("/proc/self/status")


def resident_mb() -> float:
    """Resident memory of this process [MB], nan where the system does not tell."""
    lines = STATUS.read_text(encoding="ascii").splitlines() if STATUS.exists() else []
    found = [line.split()[1] for line in lines if line.startswith("VmRSS:")]
    return int(found[0]) * 1024 / 1e6 if found else float("nan")


def inputs_per_s(embedder: Embedder, modality: str, size: int, seconds: float) -> float:
    """Inputs a second in batches of `size`; what is under way when the time is over counts with its time."""
    sample = embedder.senses[modality].sample()
    views = [embedder.prepare(modality, sample)] * size
    embedder.encode(modality, views, normalize=True)
    done, began = 0, perf_counter()
    while perf_counter() - began < seconds:
        embedder.encode(modality, views, normalize=True)
        done += size
    return done / (perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default="sensorium-small")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seconds", type=float, default=2.0)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    words = {"model": given.model, "precision": given.precision, "device": given.device}
    embedder = load_model(Settings(**words, weights=given.weights))
    warm_up(embedder)
    print(f"process after loading: {resident_mb():.0f} MB; {given.threads} threads, {given.precision}")
    print("| model | modality | weights | batch 1 | batch 8 | batch 32 |")
    for modality in embedder.modalities:
        rates = [f"{inputs_per_s(embedder, modality, size, given.seconds):.3g}" for size in SIZES]
        weights = needed_bytes(given.model, [modality], given.precision, given.weights)
        size = "-" if weights is None else f"{weights / 1e6:.0f} MB"
        print(f"| `{given.model}` | {modality} | {size} | {' | '.join(rates)} |")
    print(f"process at the end: {resident_mb():.0f} MB")


if __name__ == "__main__":
    main()
