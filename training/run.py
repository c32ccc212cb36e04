"""`python -m training.run --data DIR --out DIR [--modality NAME ...]`: trains the towers, the hub first."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch

from models.small.text import TextTower
from training import parallel
from training.align import finished
from training.audio import train_audio
from training.config import TextConfig
from training.depth import train_depth
from training.head import refit_head
from training.image import train_image
from training.imu import train_imu
from training.text import train_text
from training.thermal import train_thermal

LATER = ("image", "audio", "imu", "thermal", "depth")  # in this order, after text


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with index.csv and the packs")
    parser.add_argument("--out", type=Path, required=True, help="checkpoints; a second run goes on from them")
    parser.add_argument("--cache", type=Path, help="decoded pictures and sounds; default OUT/cache")
    parser.add_argument("--modality", nargs="*", default=list(LATER), choices=LATER)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--workers", type=int, default=1, help="processes that share the image tower's batches"
    )
    return parser.parse_args()


def image_stage(data: Path, cache: Path, out: Path, text: TextTower, workers: int) -> None:
    """The trunk in several processes, then the head."""
    parallel.run(workers, train_image, data, cache, out, text)
    refit_head(data, cache, out, text, finished(out, "image", refitted=False))


def main() -> None:
    chosen = arguments()
    torch.set_num_threads(chosen.threads)
    text = train_text(chosen.data, chosen.out, TextConfig())
    data, out, cache = chosen.data, chosen.out, chosen.cache or chosen.out / "cache"
    stages: dict[str, Callable[[], object]] = {
        "image": lambda: image_stage(data, cache, out, text, chosen.workers),
        "audio": lambda: train_audio(data, cache, out, text),
        "imu": lambda: train_imu(data, out, text),
        "thermal": lambda: train_thermal(data, out, text, finished(out, "image")),
        "depth": lambda: train_depth(data, out, text, finished(out, "image")),
    }
    for name in chosen.modality:
        stages[name]()


if __name__ == "__main__":
    main()
