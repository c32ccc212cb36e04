"""The files of the new sense: which kind they are, told by their shapes, and their contents."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from models.bound.decode import decode_array
from models.bound.form import ARRAYS, LENDERS, MAP, SERIES, VECTOR, Form
from models.bound.table import read_series
from models.errors import BindingError, SensoriumError
from models.media import formats
from models.media.arrays import read_npy
from models.media.limits import DEFAULT_LIMITS
from models.modalities import decode
from models.samples import ArraySample, Sample
from training.binding.manifest import Fault, Row

MOST_CHANNELS = 32  # of a series; an array of two axes with more columns, or of fewer rows, is a map
ADAPTERS = ("linear", "mlp")
NET_WORDS = (*ADAPTERS, SERIES, MAP, *LENDERS)
KIND_OF_FORMAT = {
    **dict.fromkeys((formats.PNG, formats.TIFF), MAP),
    **dict.fromkeys((formats.JPEG, formats.WEBP, formats.GIF, formats.BMP), "image"),
    **dict.fromkeys(
        (formats.WAV, formats.FLAC, formats.OGG, formats.MP3, formats.AAC, formats.MP4, formats.MATROSKA),
        "audio",
    ),
}


@dataclass(frozen=True)
class Contents:
    """A distinct file: sha256 of its bytes and what they hold."""

    digest: str
    sample: Sample


def _kind_of_array(shape: tuple[int, ...]) -> str | None:
    if len(shape) == 1 or (len(shape) == 2 and shape[0] == 1):
        return VECTOR
    if len(shape) == 2:
        return SERIES if shape[1] <= MOST_CHANNELS and shape[0] > 2 * shape[1] else MAP
    return MAP if len(shape) == 3 else None


def kind_of(data: bytes) -> str | None:
    """The kind that a file's format and shape speak for, None where they say nothing."""
    found = formats.recognise(data)
    if found == formats.NPY:
        try:
            return _kind_of_array(read_npy(data, DEFAULT_LIMITS).shape)
        except SensoriumError:
            return None
    return SERIES if found is None else KIND_OF_FORMAT.get(found)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def usual_kind(paths: Sequence[Path]) -> str:
    """The kind of most files. Raises BindingError."""
    kinds = Counter(kind for path in paths if (data := _read(path)) and (kind := kind_of(data)))
    if not kinds:
        raise BindingError(
            "none of the files is of a kind that can be bound: accepted are .npy, CSV, PNG, TIFF and the "
            f"formats of {', '.join(LENDERS)}; --net says which ({', '.join(NET_WORDS)})"
        )
    return kinds.most_common(1)[0][0]


def _columns(paths: Sequence[Path]) -> tuple[str, ...]:
    """The channels' names of the first CSV that can be read."""
    for path in paths:
        data = _read(path)
        if data and formats.recognise(data) is None:
            try:
                return read_series(data, DEFAULT_LIMITS)[1]
            except SensoriumError:
                continue
    return ()


def form_of(paths: Sequence[Path], net: str | None) -> Form:
    """The form as far as it is known before all files are read: `channels` 0 = not yet.

    `net`: what the user chose among NET_WORDS. Raises BindingError.
    """
    if net is not None and net not in NET_WORDS:
        raise BindingError(f"there is no net {net!r}; accepted are {', '.join(NET_WORDS)}")
    chosen = VECTOR if net in ADAPTERS else net
    kind = chosen or usual_kind(paths)
    return Form(kind, 0, columns=_columns(paths) if kind == SERIES else ())


def reader(form: Form) -> Callable[[bytes], Sample]:
    """Bytes -> sample of this form."""
    if form.kind in ARRAYS:
        return lambda data: decode_array(data, DEFAULT_LIMITS, form=form)
    return lambda data: decode(form.kind, data)


def _channels(sample: Sample) -> int:
    return sample.values.shape[-1] if isinstance(sample, ArraySample) else 0


def read_files(rows: Sequence[Row], form: Form) -> tuple[dict[Path, Contents], Form, list[Fault]]:
    """Contents by path, the form with its channels, and the faults of rows whose file cannot be used."""
    read, contents, reasons = reader(form), {}, {}
    for path in dict.fromkeys(row.file for row in rows):
        try:
            data = path.read_bytes()
            contents[path] = Contents(hashlib.sha256(data).hexdigest(), read(data))
        except (SensoriumError, OSError) as error:
            reasons[path] = f"the file {path}: {error}"
    counts: Counter[Any] = Counter(_channels(each.sample) for each in contents.values())
    usual = counts.most_common(1)[0][0] if counts else 0
    for path, each in list(contents.items()):
        if _channels(each.sample) != usual:
            reasons[path] = (
                f"the file {path} has {_channels(each.sample)} channels or numbers, most files have {usual}"
            )
            del contents[path]
    faults = [Fault(row.line, reasons[row.file]) for row in rows if row.file in reasons]
    return contents, replace(form, channels=usual), faults
