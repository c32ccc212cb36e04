"""Files of bound senses -> ArraySample: `.npy` of any kind, CSV for series, pictures for maps."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from models.bound.form import AXES, MAP, SERIES, VECTOR, Form
from models.bound.table import read_series
from models.errors import MediaError, UnsupportedMediaError
from models.media import formats
from models.media.arrays import read_npy
from models.media.limits import Limits
from models.media.pictures import open_picture
from models.samples import ArraySample, Float32

PICTURES = (formats.PNG, formats.TIFF)
WANTED = {VECTOR: ".npy", SERIES: ".npy and CSV", MAP: ".npy, PNG and TIFF of 8 or 16 bits"}
GREY = ("1", "LA")  # modes whose brightness alone counts


def _finite(values: npt.NDArray[Any]) -> Float32:
    found = values.astype(np.float32)
    bad = np.argwhere(~np.isfinite(found))
    if len(bad):
        place = tuple(int(step) for step in bad[0])
        raise MediaError(f"the value at {place} is {values[place]}, which is no finite number of float32")
    return found


def _pixels(image: Image.Image) -> npt.NDArray[Any]:
    if image.mode in GREY:
        return np.asarray(image.convert("L"))
    return np.asarray(image.convert("RGB") if image.mode == "P" else image)


def _accepted(kind: str, channels: int | None) -> str:
    axes = AXES[kind]
    if channels is None:
        return axes
    return f"({channels},)" if kind == VECTOR else axes.replace("channels", str(channels))


def _shaped(values: npt.NDArray[Any], kind: str, channels: int | None) -> npt.NDArray[Any]:
    """`values` with the axes of their kind; an axis of one channel may be left out."""
    axes = {VECTOR: 1, SERIES: 2, MAP: 3}[kind]
    shaped = values[..., None] if kind != VECTOR and values.ndim == axes - 1 else values
    shaped = shaped[0] if kind == VECTOR and shaped.ndim == 2 and len(shaped) == 1 else shaped
    if shaped.ndim != axes or channels not in (None, shaped.shape[-1]):
        raise MediaError(f"the array has shape {values.shape}; accepted is {_accepted(kind, channels)}")
    return shaped


def _csv(data: bytes, limits: Limits, form: Form) -> Float32:
    return read_series(data, limits, form.columns)[0]


def decode_array(data: bytes, limits: Limits, *, form: Form) -> ArraySample:
    """The array in a file, as `form` describes it; `form.channels` 0: of any number of channels.

    Raises MediaError naming shape or place, UnsupportedMediaError, MediaTooLargeError.
    """
    kind, channels = form.kind, form.channels or None
    found = formats.recognise(data)
    if found == formats.NPY:
        values: npt.NDArray[Any] = read_npy(data, limits)
    elif kind == MAP and found in PICTURES:
        values = _pixels(open_picture(data, limits.of_maps(), WANTED[MAP]))
    elif kind == SERIES and found is None:
        values = _csv(data, limits, form)
    else:
        is_now = f"look like {found}" if found else "open like none of these"
        raise UnsupportedMediaError(f"accepted are {WANTED[kind]}; these bytes {is_now}")
    return ArraySample(_finite(_shaped(values, kind, channels)))


def decoder(form: Form) -> Callable[..., ArraySample]:
    """`decode(data, limits)` for files of this form."""
    return partial(decode_array, form=form)
