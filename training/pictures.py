"""Reads the image packs into arrays and keeps them in a cache folder."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from models.small.pictures import IMAGE_SIDE, square
from training.index import Item, read_index, split_of

STORED_SIDE = 64  # pixels of a cached training picture
SHIFTS = 3  # squares cut from a training picture that is not square

UInt8 = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Pictures:
    """`pixels`: uint8 (n, side, side, 3); `items[rows[i]]` is what picture i shows."""

    pixels: UInt8
    rows: npt.NDArray[np.int64]
    items: list[Item]


def members(data: Path, items: list[Item]) -> Iterator[bytes]:
    """The encoded bytes of every item, each archive opened once."""
    archives: dict[str, zipfile.ZipFile | tuple[UInt8, npt.NDArray[np.int64]]] = {}
    for item in items:
        if item.archive not in archives:
            archives[item.archive] = _open(data / item.archive)
        archive = archives[item.archive]
        if isinstance(archive, zipfile.ZipFile):
            yield archive.read(item.file)
        else:
            blob, start = archive
            row = int(item.file)
            yield blob[start[row] : start[row + 1]].tobytes()


def _open(path: Path) -> zipfile.ZipFile | tuple[UInt8, npt.NDArray[np.int64]]:
    if path.suffix == ".zip":
        return zipfile.ZipFile(path)
    with np.load(path) as arrays:
        return arrays["data"], arrays["start"]


def pixels_of(data: Path, items: list[Item]) -> Iterator[UInt8]:
    """RGB uint8 (H, W, 3)."""
    for encoded in members(data, items):
        yield np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB"))


def squares(pixels: UInt8) -> list[UInt8]:
    """A square picture as it is; a longer one cut at SHIFTS places along its long side."""
    height, width = pixels.shape[:2]
    side, spare = min(height, width), abs(height - width)
    if spare < side // 16:
        return [square(pixels, STORED_SIDE, kept=1.0)]
    offsets = [round(spare * i / (SHIFTS - 1)) for i in range(SHIFTS)]
    cuts = [pixels[o : o + side] if height > width else pixels[:, o : o + side] for o in offsets]
    return [square(cut, STORED_SIDE, kept=1.0) for cut in cuts]


def training_pictures(data: Path, cache: Path) -> Pictures:
    """All training pictures, those of pairs included."""
    items = split_of(read_index(data), "image", "train")
    pixels_path, rows_path = cache / "image_train.npy", cache / "image_train_rows.npy"
    if not rows_path.exists():
        found = [(row, cut) for row, px in enumerate(pixels_of(data, items)) for cut in squares(px)]
        cache.mkdir(parents=True, exist_ok=True)
        np.save(pixels_path, np.stack([cut for _, cut in found]))
        np.save(rows_path, np.array([row for row, _ in found]))
    return Pictures(np.load(pixels_path, mmap_mode="r"), np.load(rows_path), items)


def validation_pictures(data: Path, cache: Path, side: int = IMAGE_SIDE) -> Pictures:
    """All validation pictures exactly as the service prepares them."""
    items = split_of(read_index(data), "image", "val")
    path = cache / f"image_val_{side}.npy"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        np.save(path, np.stack([square(pixels, side) for pixels in pixels_of(data, items)]))
    return Pictures(np.load(path), np.arange(len(items)), items)
