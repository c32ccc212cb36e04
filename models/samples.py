"""Typed samples: the canonical form of each modality, with units, before any model's `prepare`.

Each class checks its own shape and values at construction, so that whoever holds a sample holds
a valid one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from models.errors import MediaError

AUDIO_RATE_HZ = 16_000
# Of IMU recordings; slower ones are mostly recordings whose times were not in the unit that was said.
SLOWEST_HZ, FASTEST_HZ = 1.0, 100_000.0
IMU_CHANNELS = ("accel_x", "accel_y", "accel_z", "gyro_x", "gyro_y", "gyro_z")

Float32: TypeAlias = npt.NDArray[np.float32]
UInt8: TypeAlias = npt.NDArray[np.uint8]


def _expect(condition: bool, message: str) -> None:  # noqa: FBT001 - the condition is the subject
    if not condition:
        raise MediaError(message)


@dataclass(frozen=True)
class TextSample:
    """A text, or token ids of the model's own tokenizer in its place (exactly one of the two)."""

    text: str | None = None
    tokens: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        _expect((self.text is None) != (self.tokens is None), "give a text or token ids, not both")


@dataclass(frozen=True, eq=False)
class ImageSample:
    """`pixels`: RGB uint8 (H, W, 3), EXIF orientation applied."""

    pixels: UInt8

    def __post_init__(self) -> None:
        shape = self.pixels.shape
        _expect(
            self.pixels.dtype == np.uint8 and len(shape) == 3 and shape[2] == 3 and min(shape) > 0,
            f"an image is uint8 (height, width, 3), not {self.pixels.dtype} {shape}",
        )


class FrameSource(Protocol):
    """Where a video's frames come from; decoding waits until a model says which it wants."""

    def frames(self, numbers: list[int]) -> UInt8:
        """RGB uint8 (len(numbers), H, W, 3) of the given frame numbers, in that order."""
        ...

    def each(self, numbers: list[int]) -> Iterator[UInt8]:
        """The same one by one, RGB uint8 (H, W, 3), of rising frame numbers."""
        ...


@dataclass(frozen=True, eq=False)
class AudioSample:
    """`waveform`: mono float32 (T,) at 16 kHz; full scale is [-1, 1], lossy codecs overshoot it a little.

    `clips`: how many to hear (None: the model's default).
    """

    waveform: Float32
    clips: int | None = None

    def __post_init__(self) -> None:
        _expect(
            self.waveform.dtype == np.float32 and self.waveform.ndim == 1 and self.waveform.size > 0,
            f"audio is float32 (samples,), not {self.waveform.dtype} {self.waveform.shape}",
        )
        _expect(bool(np.isfinite(self.waveform).all()), "the audio holds values that are not finite")

    @property
    def duration_s(self) -> float:
        return self.waveform.size / AUDIO_RATE_HZ


@dataclass(frozen=True, eq=False)
class VideoSample:
    """Frames on demand: `frame_count` frames at `fps` (average, Hz); `timestamps` in seconds, one per frame.

    `sound` decodes the sound track, which happens when `audio` is first read. `clips` as for audio.
    """

    source: FrameSource
    frame_count: int
    fps: float
    timestamps: Float32
    sound: Callable[[], AudioSample | None] | None = None
    clips: int | None = None

    def __post_init__(self) -> None:
        _expect(self.frame_count > 0, "the video has no frames")
        _expect(0 < self.fps < math.inf, "the video has no frame rate")

    @cached_property
    def audio(self) -> AudioSample | None:
        """The sound track; None where there is none that can be decoded."""
        return self.sound() if self.sound else None

    @property
    def duration_s(self) -> float:
        """Frames over average rate, as decord reports it."""
        return self.frame_count / self.fps

    def frames(self, numbers: list[int]) -> UInt8:
        """RGB uint8 (len(numbers), H, W, 3). Raises MediaError where the stream is damaged."""
        return self.source.frames(numbers)

    def each(self, numbers: list[int]) -> Iterator[UInt8]:
        """The same one by one, RGB uint8 (H, W, 3), `numbers` rising: large frames are not held together."""
        return self.source.each(numbers)


@dataclass(frozen=True, eq=False)
class DepthSample:
    """`metres`: float32 (H, W), 0 = no reading; `fx` focal length [px], `baseline` of the sensor [m].

    `relative`: no metric scale is known; the values are scaled to (0, 10], larger = farther.
    """

    metres: Float32
    fx: float | None = None
    baseline: float | None = None
    relative: bool = False

    def __post_init__(self) -> None:
        _expect(
            self.metres.dtype == np.float32 and self.metres.ndim == 2 and self.metres.size > 0,
            f"depth is float32 (height, width), not {self.metres.dtype} {self.metres.shape}",
        )
        _expect(bool(np.isfinite(self.metres).all()), "the depth map holds values that are not finite")
        _expect(bool((self.metres >= 0).all()), "the depth map holds negative distances")
        for name, value in (("fx [px]", self.fx), ("baseline [m]", self.baseline)):
            _expect(value is None or 0 < value < math.inf, f"{name} is {value}; accepted are numbers above 0")


@dataclass(frozen=True, eq=False)
class ThermalSample:
    """`values`: float32 (H, W) in [0, 1], larger = warmer."""

    values: Float32
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _expect(
            self.values.dtype == np.float32 and self.values.ndim == 2 and self.values.size > 0,
            f"thermal is float32 (height, width), not {self.values.dtype} {self.values.shape}",
        )
        inside = np.isfinite(self.values).all() and self.values.min() >= 0 and self.values.max() <= 1
        _expect(bool(inside), "thermal values lie outside [0, 1]")


@dataclass(frozen=True, eq=False)
class ImuSample:
    """`values`: float32 (T, 6), columns IMU_CHANNELS, acceleration [m/s2] and angular rate [rad/s]."""

    values: Float32
    sample_rate: float = field(kw_only=True)

    def __post_init__(self) -> None:
        shape = self.values.shape
        _expect(
            self.values.dtype == np.float32 and len(shape) == 2 and shape[0] > 0 and shape[1] == 6,
            f"an IMU recording is float32 (samples, 6), not {self.values.dtype} {shape}",
        )
        _expect(bool(np.isfinite(self.values).all()), "the IMU recording holds values that are not finite")
        _expect(
            SLOWEST_HZ <= self.sample_rate <= FASTEST_HZ,
            f"the sample rate is {self.sample_rate:g} Hz; accepted are {SLOWEST_HZ:g} to {FASTEST_HZ:.0f} Hz",
        )


@dataclass(frozen=True, eq=False)
class ArraySample:
    """A file of a bound sense: float32 (D,), (samples, channels) or (height, width, channels), as stored."""

    values: Float32

    def __post_init__(self) -> None:
        _expect(
            self.values.dtype == np.float32 and 1 <= self.values.ndim <= 3 and self.values.size > 0,
            f"an array is float32 with one to three axes, not {self.values.dtype} {self.values.shape}",
        )
        _expect(bool(np.isfinite(self.values).all()), "the array holds values that are not finite")


Sample: TypeAlias = (
    TextSample
    | ImageSample
    | VideoSample
    | AudioSample
    | DepthSample
    | ThermalSample
    | ImuSample
    | ArraySample
)
