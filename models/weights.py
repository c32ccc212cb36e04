"""Checkpoints read without running their code and without holding more than what is asked for.

A checkpoint is first only a table: key -> place in a file. Tensors are read from their place one by
one, so loading two encoders of a file of 4.8 GB costs the memory of those two.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from models.errors import WeightsError

INDEX_NAME = "checkpoint.json"
INDEX_FORMAT = "sensorium-checkpoint-1"
ACCEPTED = (
    "a .pth state dict written by torch.save, a .safetensors file, or a folder made by `sensorium convert`"
)
SAMPLED = 256  # values at the beginning, the middle and the end of a tensor that its digest looks at
NAMED = 3  # keys that a message names
NESTS = ("state_dict", "model")  # where training loops put the state dict inside their own checkpoint
DTYPES: Mapping[str, torch.dtype] = MappingProxyType(
    {
        "F64": torch.float64,
        "F32": torch.float32,
        "F16": torch.float16,
        "BF16": torch.bfloat16,
        "I64": torch.int64,
        "I32": torch.int32,
        "I16": torch.int16,
        "I8": torch.int8,
        "U8": torch.uint8,
        "BOOL": torch.bool,
    }
)


def _digest(shape: tuple[int, ...], dtype: torch.dtype, runs: list[torch.Tensor]) -> str:
    seen = hashlib.sha256(f"{list(shape)} {dtype}".encode())
    for run in runs:
        seen.update(run.contiguous().view(torch.uint8).numpy().tobytes())
    return seen.hexdigest()


def _runs(count: int) -> tuple[int, ...]:
    """Where the sampled runs of `count` values begin."""
    if count <= 3 * SAMPLED:
        return tuple(range(0, count, SAMPLED))
    return 0, (count - SAMPLED) // 2, count - SAMPLED


def digest_of(tensor: torch.Tensor) -> str:
    """sha256 over shape, dtype and a fixed sample of the values; file and format do not matter."""
    flat = tensor.detach().cpu().flatten()
    return _digest(tuple(tensor.shape), tensor.dtype, [flat[at : at + SAMPLED] for at in _runs(len(flat))])


@dataclass(frozen=True)
class Stored:
    """A tensor in a file: `offset` [bytes] of its first value, `stride` [values] per axis."""

    path: Path
    offset: int
    dtype: torch.dtype
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Size of its values, without gaps."""
        return math.prod(self.shape) * self.dtype.itemsize

    def read(self) -> torch.Tensor:
        """The tensor, contiguous, in memory of its own. Raises WeightsError where the file ends early."""
        last = sum((size - 1) * step for size, step in zip(self.shape, self.stride, strict=True))
        flat = self._values(0, last + 1 if math.prod(self.shape) else 0)
        return flat.as_strided(self.shape, self.stride).contiguous()

    def digest(self) -> str:
        """As `digest_of`, without reading the whole tensor where it is large."""
        count = math.prod(self.shape)
        if count <= 3 * SAMPLED or not self._contiguous():
            return digest_of(self.read())
        return _digest(self.shape, self.dtype, [self._values(at, SAMPLED) for at in _runs(count)])

    def _contiguous(self) -> bool:
        return torch.empty(self.shape, device="meta").stride() == self.stride

    def _values(self, first: int, count: int) -> torch.Tensor:
        start, size = self.offset + first * self.dtype.itemsize, count * self.dtype.itemsize
        with self.path.open("rb") as file:
            if start + size > os.fstat(file.fileno()).st_size:  # before memory is spent on what it claims
                raise WeightsError(f"{self.path} ends in the middle of a tensor; it is not complete")
            file.seek(start)
            values = torch.empty(count, dtype=self.dtype)
            file.readinto(memoryview(values.view(torch.uint8).numpy().data))
        return values


def identity_of(preprocessing: str, digests: Mapping[str, str]) -> str:
    """A model's identity: sha256 over the version of its preprocessing and its tensors' digests."""
    return hashlib.sha256(json.dumps([preprocessing, digests], sort_keys=True).encode()).hexdigest()


def _fits(shape: tuple[int, ...], expected: tuple[int, ...]) -> bool:
    """Torch takes a vector of one value for a scalar, and so do we."""
    return shape == expected or (expected == () and shape == (1,))


def _listed(keys: list[str]) -> str:
    more = f" and {len(keys) - NAMED} more" if len(keys) > NAMED else ""
    return ", ".join(keys[:NAMED]) + more


@dataclass(frozen=True)
class Checkpoint:
    """The tensors that are there, by key; `absent` holds digests of those left in files that are not."""

    path: Path
    tensors: Mapping[str, Stored]
    absent: Mapping[str, str] = field(default_factory=dict)

    def expect(self, shapes: Mapping[str, tuple[int, ...]], needed: Mapping[str, str]) -> None:
        """Check that the keys are exactly those of `shapes` and that the `needed` ones are there.

        `needed`: key -> what it is needed for. Raises WeightsError naming the first few faults.
        """
        known = self.tensors.keys() | self.absent.keys()
        if not known & shapes.keys():
            raise WeightsError(
                f"{self.path} holds another model: none of {len(shapes)} keys is there "
                f"(expected {_listed(list(shapes))}; found {_listed(sorted(known)) or 'none'})"
            )
        self._refuse("lacks", [key for key in shapes if key not in known])
        self._refuse("has unexpected", [key for key in known if key not in shapes])
        wrong = [key for key, stored in self.tensors.items() if not _fits(stored.shape, shapes[key])]
        self._refuse("has other shapes for", [f"{key} {list(self.tensors[key].shape)}" for key in wrong])
        self._refuse("was copied without", sorted({needed[key] for key in needed if key not in self.tensors}))

    def read(self, key: str, shape: tuple[int, ...]) -> torch.Tensor:
        """One tensor as float32."""
        return self.tensors[key].read().float().reshape(shape)

    def digests(self) -> dict[str, str]:
        """Digest of every tensor of the whole checkpoint, sorted by key."""
        digests = dict(self.absent) | {key: stored.digest() for key, stored in self.tensors.items()}
        return dict(sorted(digests.items()))

    def identity(self, preprocessing: str) -> str:
        """Hash of the whole checkpoint and of a preprocessing's version, whichever part is loaded."""
        return identity_of(preprocessing, self.digests())

    def _refuse(self, fault: str, keys: list[str]) -> None:
        if keys:
            raise WeightsError(f"{self.path} {fault} {_listed(keys)}")


def _placed(path: Path, tensor: Any) -> Stored:
    if not isinstance(tensor, torch.Tensor):
        raise TypeError(f"it holds a {type(tensor).__name__} beside tensors")
    start = tensor.untyped_storage()._checkpoint_offset  # noqa: SLF001 - where torch.load tells the place
    if start is None:
        raise ValueError("a tensor has no place in the file")
    offset = start + int(tensor.storage_offset()) * tensor.itemsize
    return Stored(path, offset, tensor.dtype, tuple(tensor.shape), tuple(tensor.stride()))


def _expect_uncompressed(path: Path) -> None:
    """Values are read at their place in the zip, so they have to stand there as torch.save leaves them."""
    try:
        with zipfile.ZipFile(path) as archive:
            packed = any(row.compress_type != zipfile.ZIP_STORED for row in archive.infolist())
    except zipfile.BadZipFile as error:
        raise WeightsError(
            f"{path} is a torch file that is truncated or broken; accepted is {ACCEPTED}"
        ) from error
    if packed:
        raise WeightsError(f"{path} has been compressed; accepted is {ACCEPTED}")


def _state_of(loaded: Any) -> dict[Any, Any]:
    """What was saved, or the state dict inside it where a training loop put it there."""
    if not isinstance(loaded, dict):
        raise TypeError(f"it holds a {type(loaded).__name__}")
    return next((loaded[nest] for nest in NESTS if isinstance(loaded.get(nest), dict)), loaded)


def _torch_file(path: Path) -> dict[str, Stored]:
    """Only tensors are unpickled, onto the meta device: no code of the file runs, no value is read."""
    _expect_uncompressed(path)
    try:
        state = _state_of(torch.load(path, map_location="meta", weights_only=True))
        return {str(key): _placed(path, tensor) for key, tensor in state.items()}
    except Exception as error:  # a broken or hostile file can fail anywhere inside torch
        code = isinstance(error, pickle.UnpicklingError)  # torch's own message advises to run it
        reason = "it holds objects other than tensors" if code else str(error).partition("\n")[0]
        raise WeightsError(f"{path} holds no plain state dict ({reason}); accepted is {ACCEPTED}") from error


def _safetensors_header(path: Path) -> tuple[dict[str, Any], int]:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header: dict[str, Any] = json.loads(file.read(length))
    return header, 8 + length


def _row(path: Path, data: int, row: dict[str, Any]) -> Stored:
    shape = tuple(row["shape"])
    if row["dtype"] not in DTYPES:
        raise WeightsError(f"{path} holds values of type {row['dtype']}; accepted are {', '.join(DTYPES)}")
    stride = torch.empty(shape, device="meta").stride()
    return Stored(path, data + row["data_offsets"][0], DTYPES[row["dtype"]], shape, stride)


def _safetensors_file(path: Path) -> dict[str, Stored]:
    try:
        with safe_open(path, "pt"):  # checks the header and that offsets and file length agree
            header, data = _safetensors_header(path)
        rows = {key: row for key, row in header.items() if key != "__metadata__"}
        return {key: _row(path, data, row) for key, row in rows.items()}
    except (SafetensorError, KeyError) as error:
        raise WeightsError(f"{path} is not a usable safetensors file: {error}") from error


def _folder(path: Path) -> Checkpoint:
    """A converted checkpoint; files of encoders that are not wanted may be left out of the folder."""
    try:
        index = json.loads((path / INDEX_NAME).read_text())
        files = [path / Path(name).name for name in index[INDEX_FORMAT]["files"]]
        digests: dict[str, str] = index[INDEX_FORMAT]["digests"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{path} has no usable {INDEX_NAME}; accepted is {ACCEPTED}") from error
    present = [file for file in files if file.is_file()]
    tensors = {key: stored for file in present for key, stored in _safetensors_file(file).items()}
    return Checkpoint(path, tensors, {key: value for key, value in digests.items() if key not in tensors})


def _file(path: Path) -> Checkpoint:
    """A file by its first bytes: torch's format is a zip, safetensors begins with a length and a brace.

    The bare pickles that torch wrote before 1.6 do not tell where values stand.
    """
    with path.open("rb") as file:
        magic = file.read(9)
    if magic.startswith(b"PK"):
        return Checkpoint(path, _torch_file(path))
    if magic.endswith(b"{"):
        return Checkpoint(path, _safetensors_file(path))
    found = (
        "is in torch's format of before 1.6" if magic.startswith(b"\x80\x02\x8a") else "is not a checkpoint"
    )
    raise WeightsError(f"{path} {found}; accepted is {ACCEPTED}")


def open_checkpoint(path: Path) -> Checkpoint:
    """The table of a checkpoint's tensors. Raises WeightsError for anything that is none."""
    try:
        return _folder(path) if path.is_dir() else _file(path)
    except OSError as error:
        raise WeightsError(f"{path} could not be read ({error.strerror}); accepted is {ACCEPTED}") from error
