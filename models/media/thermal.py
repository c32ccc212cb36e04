"""Thermal pictures -> ThermalSample: [0, 1], larger = warmer."""

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from models.errors import MediaError, ParameterError
from models.media import formats
from models.media.arrays import read_npy
from models.media.limits import Limits
from models.media.pictures import PICTURES, open_picture
from models.samples import Float32, ThermalSample

WANTED = "8-bit grey pictures, 16-bit radiometric PNG or TIFF, float .npy or float TIFF (degrees C)"
# FLIR's TLinear mode, high resolution: one count is a hundredth of a kelvin.
KELVIN_PER_COUNT = 0.01
ZERO_CELSIUS_K = 273.15
PALETTE_NOTE = "colour palette read as brightness"
AUTO_GAIN_NOTE = "no min_c and max_c: scaled between the picture's own coldest and warmest point"
FLAT_NOTE = "the picture has the same temperature everywhere"

Window = tuple[float, float]


def _window(min_c: float | None, max_c: float | None) -> Window | None:
    if min_c is None and max_c is None:
        return None
    if min_c is None or max_c is None:
        raise ParameterError("min_c and max_c belong together: give both [degrees C], or neither")
    if min_c >= max_c:
        raise ParameterError(f"min_c ({min_c:g}) has to be below max_c ({max_c:g})")
    return min_c, max_c


def _brightness(image: Image.Image, window: Window | None) -> ThermalSample:
    if window:
        raise ParameterError(
            "min_c and max_c need temperatures; an 8-bit picture has none (16-bit and .npy have)"
        )
    image.info.pop("transparency", None)
    rgb = np.asarray(image.convert("RGB"))
    coloured = bool((rgb != rgb[..., :1]).any())
    grey = np.asarray(image.convert("RGB").convert("L")) if coloured else rgb[..., 0]
    return ThermalSample(grey.astype(np.float32) / np.float32(255), (PALETTE_NOTE,) if coloured else ())


def _temperatures(values: npt.NDArray[Any], window: Window | None) -> ThermalSample:
    """Degrees C (H, W) -> [0, 1] over the window, or over the picture's own range."""
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    if values.ndim != 2:
        raise MediaError(f"a thermal picture has shape (height, width), not {values.shape}")
    celsius = values.astype(np.float64)
    if not np.isfinite(celsius).all():
        raise MediaError("the thermal picture holds values that are not finite (NaN or infinity)")
    low, high = window or (float(celsius.min()), float(celsius.max()))
    if low == high:
        return ThermalSample(np.zeros(celsius.shape, np.float32), (FLAT_NOTE,))
    scaled: Float32 = np.clip((celsius - low) / (high - low), 0, 1).astype(np.float32)
    return ThermalSample(scaled, () if window else (AUTO_GAIN_NOTE,))


def _read_npy(data: bytes, limits: Limits) -> npt.NDArray[Any]:
    values = read_npy(data, limits)
    if values.dtype.kind != "f":
        raise MediaError(
            f"a thermal .npy holds degrees C as floats, not {values.dtype}; raw counts go into a 16-bit PNG"
        )
    return values


def decode_thermal(
    data: bytes, limits: Limits, *, min_c: float | None = None, max_c: float | None = None
) -> ThermalSample:
    """Brightness of 8-bit pictures; temperatures of the others over [min_c, max_c] degrees C.

    16-bit counts are hundredths of a kelvin. Without the window the picture's own range is used, and a
    note says so. Raises MediaError, and ParameterError for a window without temperatures.
    """
    window = _window(min_c, max_c)
    limits = limits.of_maps()
    if formats.expect(data, (formats.NPY, *PICTURES), WANTED) == formats.NPY:
        return _temperatures(_read_npy(data, limits), window)
    image = open_picture(data, limits, WANTED)
    if image.mode == "F":
        return _temperatures(np.asarray(image), window)
    if image.mode == "I" or image.mode.startswith("I;16"):
        return _temperatures(np.asarray(image) * KELVIN_PER_COUNT - ZERO_CELSIUS_K, window)
    return _brightness(image, window)
