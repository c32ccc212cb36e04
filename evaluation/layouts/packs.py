"""Members of the packs that an index names: files in a zip, rows of an npz."""

from __future__ import annotations

import zipfile
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from evaluation.items import Item
from models.errors import MediaError
from models.modalities import decode
from models.samples import ImuSample, Sample
from models.small.movements import GRAVITY_M_S2, RATE_HZ
from training.index import Item as Row

Pack = zipfile.ZipFile | dict[str, npt.NDArray[np.generic]]


@lru_cache(maxsize=32)
def _opened(path: Path) -> Pack:
    """A zip stays open; an npz is held in memory as it is stored: pictures encoded, movements as integers."""
    if path.suffix == ".zip":
        return zipfile.ZipFile(path)
    with np.load(path) as arrays:
        return {name: arrays[name] for name in ("data", "start", "x", "scale", "rate_hz") if name in arrays}


def _encoded(path: Path, member: str) -> bytes:
    pack = _opened(path)
    if isinstance(pack, zipfile.ZipFile):
        return pack.read(member)
    row, start = int(member), pack["start"]
    return pack["data"][start[row] : start[row + 1]].tobytes()


def _movement(path: Path, member: str) -> ImuSample:
    """The first six channels of a row (acceleration in g, angular rate), times `scale` where there is one."""
    pack = _opened(path)
    if isinstance(pack, zipfile.ZipFile):
        raise MediaError(f"{path} holds no movements")
    values = pack["x"][int(member), :, :6].astype(np.float32)
    if "scale" in pack:
        values *= pack["scale"][:6].astype(np.float32)
    values[:, :3] *= GRAVITY_M_S2
    return ImuSample(values, sample_rate=float(pack["rate_hz"]) if "rate_hz" in pack else RATE_HZ)


def _depth(path: Path, member: str) -> Sample:
    """16-bit maps in millimetres; 8-bit ones are relative."""
    encoded = _encoded(path, member)
    try:
        return decode("depth", encoded)
    except MediaError:
        return decode("depth", encoded, unit="relative")


def _sample(modality: str, path: Path, member: str) -> Sample:
    try:
        if modality == "imu":
            return _movement(path, member)
        if modality == "depth":
            return _depth(path, member)
        return decode(modality, _encoded(path, member))
    except (KeyError, IndexError, ValueError, zipfile.BadZipFile) as error:
        raise MediaError(f"{path.name} has no member {member!r}: {error}") from error


def member_item(root: Path, row: Row) -> Item:
    """An item of the index, read from its pack when its turn comes."""
    path = root / row.archive
    key = f"{path}#{row.file}"
    return Item(row.modality, key, partial(_sample, row.modality, path, row.file), path)
