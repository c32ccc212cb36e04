"""What can be embedded, stored and searched with, and how it is written in a request.

Plain values: a string is text, a Path a file whose ending tells its modality, a PIL image or an array of
pixels an image, an object with `"image"`, `"text"`, .. a part of the server's own grammar. Everything else
says what it is: `Audio(samples, rate=16_000)`, `Depth(metres, fx=518.9)`, `IMU(values, sample_rate=50)`.
"""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeAlias, runtime_checkable

import numpy as np

from sensorium_client import arrays
from sensorium_client.arrays import Array
from sensorium_client.errors import UnusableInputError


@runtime_checkable
class Picture(Protocol):
    """A PIL image, known by what it can do."""

    mode: str

    def convert(self, mode: str) -> Any: ...
    def save(self, fp: Any, format: str) -> None: ...  # noqa: A002 - PIL's word


Source: TypeAlias = bytes | bytearray | memoryview | str | os.PathLike[str] | Array
Part: TypeAlias = dict[str, Any]
KEPT_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I")


def read_file(path: str | os.PathLike[str]) -> bytes:
    """Raises UnusableInputError naming the file."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UnusableInputError(f"{os.fspath(path)} cannot be read: {error.strerror}") from error


def picture_file(picture: Picture) -> bytes:
    buffer = io.BytesIO()
    (picture if picture.mode in KEPT_MODES else picture.convert("RGB")).save(buffer, "PNG")
    return buffer.getvalue()


@dataclass(frozen=True, eq=False)
class Medium:
    """A file as bytes or path, or an array; the other fields go to the server's decoder (None: left out)."""

    modality: ClassVar[str]
    source: Any

    def encoded(self, array: Array) -> bytes:
        """The array as a file. Raises UnusableInputError."""
        raise UnusableInputError(
            f"{self.modality} as an array {array.shape} is not known; give a path or bytes"
        )

    def data(self) -> bytes:
        """The file. Raises UnusableInputError."""
        if isinstance(self.source, bytes | bytearray | memoryview):
            return bytes(self.source)
        if isinstance(self.source, str | os.PathLike):
            return read_file(self.source)
        if isinstance(self.source, np.ndarray):
            return self.encoded(self.source)
        if isinstance(self.source, Picture):
            return picture_file(self.source)
        kind = type(self.source).__name__
        raise UnusableInputError(f"{self.modality} is bytes, a path or an array, not {kind}")

    def params(self) -> dict[str, Any]:
        """What is said beside the file."""
        named = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "source"}
        return {name: value for name, value in named.items() if value is not None}

    def part(self) -> Part:
        """The part of a request."""
        return {self.modality: base64.b64encode(self.data()).decode("ascii"), **self.params()}


@dataclass(frozen=True, eq=False)
class Image(Medium):
    """A picture; as an array uint8 [0, 255] or float [0, 1], (H, W) or (H, W, 1|3|4)."""

    modality = "image"

    def encoded(self, array: Array) -> bytes:
        return arrays.png(array)


@dataclass(frozen=True, eq=False)
class Video(Medium):
    """A film, as a file; `clips`: how many stretches to look at."""

    modality = "video"
    clips: int | None = None


@dataclass(frozen=True, eq=False)
class Audio(Medium):
    """A sound; as an array (T,) or (T, channels) in [-1, 1] with its `rate` [Hz]."""

    modality = "audio"
    rate: float | None = None
    clips: int | None = None

    def encoded(self, array: Array) -> bytes:
        return arrays.wav(array, self.rate)

    def params(self) -> dict[str, Any]:
        return {} if self.clips is None else {"clips": self.clips}


@dataclass(frozen=True, eq=False)
class Depth(Medium):
    """A depth map; as an array (H, W): floats in metres, whole numbers in millimetres, 0 = no reading.

    `unit`: "m", "mm" or "relative". `fx`: focal length [px]. `baseline`: of the sensor [m].
    """

    modality = "depth"
    unit: str | None = None
    fx: float | None = None
    baseline: float | None = None

    def encoded(self, array: Array) -> bytes:
        return arrays.map_npy(array)


@dataclass(frozen=True, eq=False)
class Thermal(Medium):
    """A thermal picture; as an array (H, W) in degrees C. `min_c`, `max_c`: the range to look at."""

    modality = "thermal"
    min_c: float | None = None
    max_c: float | None = None

    def encoded(self, array: Array) -> bytes:
        return arrays.map_npy(array)


@dataclass(frozen=True, eq=False)
class IMU(Medium):
    """A movement; as an array (T, 6): acceleration [m/s2] x, y, z, then angular rate [rad/s] x, y, z.

    `sample_rate` [Hz]; `unit` "g" where acceleration is in multiples of gravity.
    """

    modality = "imu"
    sample_rate: float | None = None
    unit: str | None = None

    def encoded(self, array: Array) -> bytes:
        if self.sample_rate is None:
            raise UnusableInputError("a recording as an array needs `sample_rate` [Hz]")
        return arrays.recording_npy(array)


@dataclass(frozen=True)
class Stored:
    """An item of the collection, as a query."""

    id: str

    def part(self) -> Part:
        return {"id": self.id}


@dataclass(frozen=True, eq=False)
class Vector:
    """A ready vector (dim,) of a modality."""

    values: Array | Sequence[float]
    modality: str = "text"

    def part(self) -> Part:
        return {"vector": np.asarray(self.values, np.float64).tolist(), "modality": self.modality}


@dataclass(frozen=True, eq=False)
class Weighted:
    """Content with its share in a blend; a negative one leads away."""

    content: Content
    weight: float

    def part(self) -> Part:
        return {**part_of(self.content), "weight": self.weight}


@dataclass(frozen=True, eq=False)
class Blend:
    """Several contents as one vector: the weighted sum, normalised."""

    contents: Sequence[Content]

    def part(self) -> Part:
        return {"parts": [part_of(each) for each in self.contents]}


@runtime_checkable
class Written(Protocol):
    """What knows its part of a request."""

    def part(self) -> Part: ...


Content: TypeAlias = str | os.PathLike[str] | Array | Picture | Written | Mapping[str, Any]

OF_SUFFIX: Mapping[str, type[Medium]] = {
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff"), Image),
    **dict.fromkeys((".mp4", ".m4v", ".webm", ".mov", ".mkv"), Video),
    **dict.fromkeys((".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".aac", ".mka"), Audio),
    **dict.fromkeys((".csv", ".tsv"), IMU),
}
TEXT_SUFFIXES = (".txt", ".md")


def file_part(path: os.PathLike[str]) -> Part:
    """The part of a file whose ending tells what it is."""
    suffix = Path(path).suffix.lower()
    if suffix in TEXT_SUFFIXES:
        return {"text": read_file(path).decode("utf-8", errors="replace")}
    if suffix not in OF_SUFFIX:
        name = os.fspath(path)
        raise UnusableInputError(
            f"the ending of {name} does not tell what it is; wrap it, as in Depth({name!r})"
        )
    return OF_SUFFIX[suffix](path).part()


def part_of(content: Content) -> Part:
    """The part of a request that stands for `content`. Raises UnusableInputError."""
    if isinstance(content, str):
        return {"text": content}
    if isinstance(content, Mapping):
        return dict(content)
    if isinstance(content, Written):
        return content.part()
    if isinstance(content, os.PathLike):
        return file_part(content)
    if isinstance(content, np.ndarray):
        if content.dtype == np.uint8 and content.ndim == 3:
            return Image(content).part()
        raise UnusableInputError(
            f"an array of {content.dtype} {content.shape} may be several things; wrap it, as in "
            "Audio(array, rate=16_000), Depth(array), Thermal(array), IMU(array, sample_rate=50), Image(..)"
        )
    if isinstance(content, Picture):
        return Image(content).part()
    if isinstance(content, bytes | bytearray | memoryview):
        raise UnusableInputError(
            "bytes do not tell what they are; wrap them, as in Image(data) or Audio(data)"
        )
    kind = type(content).__name__
    raise UnusableInputError(
        f"{kind} is no content; give text, a path, a PIL image, Audio(..), Depth(..), .."
    )
