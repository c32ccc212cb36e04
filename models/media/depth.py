"""Depth maps -> DepthSample: metres, 0 = no reading."""

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from models.errors import MediaError, ParameterError
from models.media import formats
from models.media.arrays import read_npy
from models.media.limits import Limits
from models.media.pictures import PICTURES, open_picture
from models.samples import DepthSample, Float32

WANTED = "16-bit PNG or TIFF (millimetres), float .npy or float TIFF (metres)"
METRES = {"m": 1.0, "mm": 1e-3}
SATURATED_COUNT = 65_535
# A relative map has no scale of its own; its farthest point is put here, at the end of a room.
RELATIVE_FAR_M = 10.0


def _grey_8_bit(image: Image.Image) -> npt.NDArray[np.uint8]:
    pixels = np.asarray(image.convert("RGB"))
    if (pixels != pixels[..., :1]).any():
        raise MediaError(
            f"the picture is coloured, and colours cannot be read as distances; accepted are {WANTED}, "
            'or a grey picture with unit="relative"'
        )
    return pixels[..., 0]


def _no_distances(found: str | None) -> MediaError:
    return MediaError(
        f"8-bit {found} values are no distances; accepted are {WANTED}. A grey picture without a scale "
        'is accepted with unit="relative" (brighter = farther, 0 = no reading)'
    )


def _read_picture(data: bytes, limits: Limits, unit: str | None) -> tuple[npt.NDArray[Any], str]:
    """Pixel values and the unit that the format fixes."""
    image = open_picture(data, limits, WANTED)
    if image.mode == "F":
        return np.asarray(image), "m"
    if image.mode == "I" or image.mode.startswith("I;16"):
        return np.asarray(image), "mm"
    if unit == "relative":
        return _grey_8_bit(image), "relative"
    raise _no_distances(formats.recognise(data))


def _read(data: bytes, limits: Limits, unit: str | None) -> tuple[npt.NDArray[Any], str]:
    if formats.expect(data, (formats.NPY, *PICTURES), WANTED) != formats.NPY:
        return _read_picture(data, limits, unit)
    values = read_npy(data, limits)
    if values.dtype.itemsize == 1 and unit != "relative":
        raise _no_distances(formats.NPY)
    return values, "m" if values.dtype.kind == "f" else "mm"


def _as_map(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    if values.ndim != 2:
        raise MediaError(f"a depth map has shape (height, width), not {values.shape}")
    # Sensors and renderers write NaN or infinity where nothing was seen.
    return np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)


def _unsaturated(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """16-bit counts with the largest one, by which many cameras mark what they cannot see, as no reading."""
    saturated = values.dtype.kind == "u" and values.dtype.itemsize == 2
    return np.where(values == SATURATED_COUNT, 0, values) if saturated else values


def _scale(values: npt.NDArray[np.float64], unit: str) -> Float32:
    factor = RELATIVE_FAR_M / values.max() if unit == "relative" else METRES[unit]
    return (values * factor).astype(np.float32)


def decode_depth(
    data: bytes,
    limits: Limits,
    *,
    unit: str | None = None,
    fx: float | None = None,
    baseline: float | None = None,
) -> DepthSample:
    """Distances along the viewing axis; NaN, infinity and a saturated 16-bit count are no reading.

    `unit`: "m", "mm" or "relative"; left out, it is what the format fixes (integers mm, floats m).
    Raises MediaError for 8-bit and coloured pictures, negative distances and maps without any reading.
    """
    values, fixed = _read(data, limits.of_maps(), unit)
    if unit == "m" and fixed == "mm":
        raise ParameterError('unit "m" needs floats; a map of whole numbers is in "mm" (or "relative")')
    chosen = unit or fixed
    distances = _as_map(values if chosen == "relative" else _unsaturated(values))
    if distances.min() < 0:
        raise MediaError(f"the depth map holds negative distances (down to {distances.min():g})")
    if distances.max() == 0:
        raise MediaError("the depth map holds no reading: every value is 0 or not finite")
    return DepthSample(_scale(distances, chosen), fx, baseline, relative=chosen == "relative")
