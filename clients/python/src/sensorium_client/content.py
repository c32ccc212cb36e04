"""What can be embedded, stored and searched with, and how it is written in a request.

Plain values: a string is text, a Path a file whose ending tells its modality, a PIL image or an array of
pixels an image, an object with `"image"`, `"text"`, .. a part of the server's own grammar. Everything else
says what it is: `Audio(samples, rate=16_000)`, `Depth(metres, fx=518.9)`, `IMU(values, sample_rate=50)`.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeAlias, runtime_checkable

import numpy as np

from sensorium_client import arrays, pictures
from sensorium_client.arrays import Array
from sensorium_client.errors import UnusableInputError
from sensorium_client.pictures import Picture

Source: TypeAlias = bytes | bytearray | memoryview | str | os.PathLike[str] | Array
Part: TypeAlias = dict[str, Any]


def read_file(path: str | os.PathLike[str]) -> bytes:
    """Raises UnusableInputError naming the file."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UnusableInputError(f"{os.fspath(path)} cannot be read: {error.strerror}") from error


def whole(array: Array) -> Array:
    """The array, if none of it is masked. Raises UnusableInputError."""
    if np.ma.is_masked(array):
        raise UnusableInputError(
            "some of the array is masked, which no file can say; fill it, array.filled(0)"
        )
    return array


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
            return self.encoded(whole(self.source))
        if isinstance(self.source, Picture):
            seen = pictures.content_of(self.source)
            return seen if isinstance(seen, bytes) else self.encoded(seen)
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
    """A picture; as an array (H, W) or (H, W, 1|3|4): uint8 [0, 255], uint16 [0, 65535] or float [0, 1]."""

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
        try:
            return {"vector": np.asarray(self.values, np.float64).tolist(), "modality": self.modality}
        except (TypeError, ValueError) as error:
            raise UnusableInputError(f"a vector is made of numbers: {error}") from error


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


def text_of(path: os.PathLike[str]) -> str:
    """Raises UnusableInputError for what is no UTF-8."""
    try:
        return read_file(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnusableInputError(f"{os.fspath(path)} is no text in UTF-8: {error}") from error


def file_part(path: os.PathLike[str]) -> Part:
    """The part of a file whose ending tells what it is."""
    suffix = Path(path).suffix.lower()
    if suffix in TEXT_SUFFIXES:
        return {"text": text_of(path)}
    if suffix not in OF_SUFFIX:
        name = os.fspath(path)
        raise UnusableInputError(
            f"the ending of {name} does not tell what it is; wrap it, as in Depth({name!r})"
        )
    return OF_SUFFIX[suffix](path).part()


def written(value: Any) -> Any:
    """A file of a part as base64, where it is bytes or a path; other values as they are."""
    if isinstance(value, os.PathLike):
        value = read_file(value)
    return (
        base64.b64encode(value).decode("ascii")
        if isinstance(value, bytes | bytearray | memoryview)
        else value
    )


def part_of(content: Content) -> Part:
    """The part of a request that stands for `content`. Raises UnusableInputError."""
    if isinstance(content, str):
        return {"text": content}
    if isinstance(content, Mapping):
        return {name: written(value) for name, value in content.items()}
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
    several = (
        "; several go into a list, as one vector into Blend([..])" if isinstance(content, Iterable) else ""
    )
    raise UnusableInputError(
        f"{kind} is no content; give text, a path, a PIL image, Audio(..), Depth(..), ..{several}"
    )
