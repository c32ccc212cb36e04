"""Arrays as files: PNG for pictures, float WAV for sounds, .npy for measurements, by numpy alone."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any, SupportsFloat, TypeAlias

import numpy as np
import numpy.typing as npt

from sensorium_client.errors import UnusableInputError

Array: TypeAlias = npt.NDArray[Any]

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, RGBA = 0, 2, 6
COLOUR_OF_CHANNELS = {1: GREY, 3: RGB, 4: RGBA}
FLOAT_WAVE = 3
BYTES_PER_SAMPLE = 4
CHANNELS_OF_A_RECORDING = 6
HIGHEST_RATE = 768_000
# White of a picture; of whole numbers that have no usual range the least that holds them, as in the server.
WHITE_OF_FLOATS, WHITE_OF_UINT16, WHITES_OF_OTHERS = (1,), (65_535,), (255, 65_535)


def chunk(name: bytes, body: bytes) -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def whites_of(array: Array) -> tuple[int, ...]:
    """What white may be in such a picture. Raises UnusableInputError."""
    if array.dtype.kind not in "fiu":
        raise UnusableInputError(f"a picture has numbers, 0 to 255, 65535 or 1 (floats), not {array.dtype}")
    if array.dtype.kind == "f":
        return WHITE_OF_FLOATS
    return WHITE_OF_UINT16 if array.dtype.kind == "u" and array.dtype.itemsize == 2 else WHITES_OF_OTHERS


def eight_bits(array: Array) -> npt.NDArray[np.uint8]:
    """Pixels from black to white as uint8. Raises UnusableInputError."""
    if array.dtype == np.uint8:
        return array
    whites = whites_of(array)
    if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= whites[-1]):
        raise UnusableInputError(f"a picture of {array.dtype} goes from 0 to {whites[-1]}; of uint8 to 255")
    white = next(full for full in whites if array.max() <= full)
    return np.round(array / np.float32(white / 255)).astype(np.uint8)


def pixels_of(array: Array) -> npt.NDArray[np.uint8]:
    """Uint8 (H, W, channels) of a picture (H, W[, 1|3|4]). Raises UnusableInputError."""
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in COLOUR_OF_CHANNELS or min(array.shape) < 1:
        raise UnusableInputError(
            f"a picture has shape (height, width), or with 1, 3 or 4 channels last, not {array.shape}"
        )
    return eight_bits(array)


def png(array: Array) -> bytes:
    """A PNG of a picture (H, W[, 1|3|4]); lossless, so that the server sees these very pixels."""
    pixels = pixels_of(array)
    height, width, channels = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8, COLOUR_OF_CHANNELS[channels], 0, 0, 0)
    rows = pixels.reshape(height, width * channels)
    filtered = np.concatenate([np.zeros((height, 1), np.uint8), rows], axis=1)
    data = zlib.compress(np.ascontiguousarray(filtered).tobytes(), 1)
    return PNG_SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def samples_of(array: Array) -> npt.NDArray[np.float32]:
    """Float32 (T, channels); whole numbers are scaled to [-1, 1]. Raises UnusableInputError."""
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or array.size == 0 or array.shape[1] > array.shape[0]:
        raise UnusableInputError(f"a sound has shape (samples,) or (samples, channels), not {array.shape}")
    if array.dtype.kind == "i":
        return (array / -float(np.iinfo(array.dtype).min)).astype(np.float32)
    if array.dtype.kind != "f":
        raise UnusableInputError(f"a sound is float in [-1, 1] or signed whole numbers, not {array.dtype}")
    return array.astype(np.float32)


def wav(array: Array, rate: float | None) -> bytes:
    """A WAV of 32-bit floats. `rate`: samples per second."""
    if not isinstance(rate, SupportsFloat) or not 1 <= float(rate) <= HIGHEST_RATE or float(rate) % 1:
        raise UnusableInputError(
            f"a sound as an array needs `rate`: whole samples per second, 1 to {HIGHEST_RATE}"
        )
    samples = samples_of(array)
    channels, data = samples.shape[1], samples.astype("<f4").tobytes()
    width = channels * BYTES_PER_SAMPLE
    form = struct.pack("<HHIIHH", FLOAT_WAVE, channels, int(rate), int(rate) * width, width, 32)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def npy(array: Array) -> bytes:
    """The array as it is."""
    if array.dtype.kind not in "fiu":
        raise UnusableInputError(f"measurements are numbers, not {array.dtype}")
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def map_npy(array: Array) -> bytes:
    """A depth or thermal map (H, W)."""
    if array.ndim != 2:
        raise UnusableInputError(f"a map has shape (height, width), not {array.shape}")
    return npy(array)


def recording_npy(array: Array) -> bytes:
    """A recording (T, 6): acceleration x, y, z, then angular rate x, y, z."""
    if array.ndim != 2 or array.shape[1] != CHANNELS_OF_A_RECORDING:
        raise UnusableInputError(f"a recording has shape (samples, 6), acceleration first, not {array.shape}")
    return npy(array)
