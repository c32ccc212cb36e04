"""What an item looks like: samples of `models.samples` drawn as small pictures, movements as lines."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
from PIL import Image

from models.errors import MediaError, ParameterError
from models.media.limits import Limits
from models.modalities import decode
from models.samples import (
    AUDIO_RATE_HZ,
    IMU_CHANNELS,
    AudioSample,
    DepthSample,
    ImageSample,
    ImuSample,
    Sample,
    ThermalSample,
    VideoSample,
)
from service.colour_maps import COLOUR_MAPS

# What is drawn where a file does not say it: nothing but the scale of an axis hangs on it.
ASSUMED: dict[str, dict[str, Any]] = {"depth": {"unit": "relative"}, "imu": {"sample_rate": 50.0}}
MEL_BANDS, WINDOW, FLOOR_DB = 96, 1024, -70.0
LOUDEST_HZ, MEL_BREAK_HZ = 8000.0, 700.0
MOST_LINES = 400
QUALITY = 82

Levels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Preview:
    """A drawn item; `facts` go into headers."""

    data: bytes = field(repr=False)
    media_type: str
    facts: dict[str, str] = field(default_factory=dict)


def encoded(image: Image.Image, size: int, facts: dict[str, str] | None = None) -> Preview:
    """PNG for painted maps, WebP for photographs; no side above `size` pixels."""
    painted = image.mode == "P"
    image.thumbnail((size, size), Image.Resampling.NEAREST if painted else Image.Resampling.LANCZOS)
    out = io.BytesIO()
    image.save(out, "PNG" if painted else "WEBP", **({} if painted else {"quality": QUALITY}))
    return Preview(out.getvalue(), "image/png" if painted else "image/webp", facts or {})


def painted(levels: Levels, colours: str, *, holes: bool = False) -> Image.Image:
    """(H, W) levels as a palette picture; with `holes`, level 0 is transparent."""
    image = Image.fromarray(levels).convert("P")
    image.putpalette(COLOUR_MAPS[colours].tobytes())
    if holes:
        image.info["transparency"] = 0
    return image


def depth_picture(sample: DepthSample, size: int) -> Preview:
    """Near is bright; the farthest and nearest two percent are not told apart, what was not read is clear."""
    metres = sample.metres
    near, far = (float(each) for each in np.percentile(metres[metres > 0], (2, 98)))
    nearness = np.clip((far - metres) / max(far - near, 1e-6), 0, 1)
    levels = np.where(metres > 0, 1 + nearness * 254, 0).astype(np.uint8)
    facts = {} if sample.relative else {"x-preview-range": f"{near:.2f} {far:.2f} m"}
    return encoded(painted(levels, "viridis", holes=True), size, facts)


def thermal_picture(sample: ThermalSample, size: int) -> Preview:
    """Warm is bright, between the picture's own coldest and warmest half percent."""
    cold, warm = (float(each) for each in np.percentile(sample.values, (0.5, 99.5)))
    scaled = np.clip((sample.values - cold) / max(warm - cold, 1e-6), 0, 1)
    return encoded(painted((scaled * 255).astype(np.uint8), "inferno"), size)


def mel_filters(bins: int) -> npt.NDArray[np.float64]:
    """Triangles (MEL_BANDS, bins) evenly spaced in mel after O'Shaughnessy 1987."""
    highest = 2595 * np.log10(1 + LOUDEST_HZ / MEL_BREAK_HZ)
    edges = MEL_BREAK_HZ * (10 ** (np.linspace(0, highest, MEL_BANDS + 2) / 2595) - 1)
    frequencies = np.linspace(0, AUDIO_RATE_HZ / 2, bins)
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (frequencies - low) / (middle - low), (high - frequencies) / (high - middle)
    return np.clip(np.minimum(rising, falling), 0, None)


def sound_picture(sample: AudioSample, size: int) -> Preview:
    """Mel spectrum over time: time to the right, pitch upwards, loud is bright."""
    wave = np.pad(sample.waveform, (0, max(0, WINDOW - sample.waveform.size)))
    starts = np.linspace(0, wave.size - WINDOW, size).astype(int)
    frames = wave[starts[:, None] + np.arange(WINDOW)] * np.hanning(WINDOW)
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    loud = 10 * np.log10(power @ mel_filters(power.shape[1]).T + 1e-10)
    scaled = np.clip((loud - loud.max() - FLOOR_DB) / -FLOOR_DB, 0, 1)
    levels = (scaled.T[::-1] * 255).astype(np.uint8)
    facts = {"x-preview-seconds": f"{sample.duration_s:.3f}"}
    return encoded(painted(levels, "mako"), size, facts)


def film_picture(sample: VideoSample, at: float | None, size: int) -> Preview:
    """The frame at `at` seconds, by default the middle one."""
    times = sample.timestamps
    number = len(times) // 2 if at is None else int(np.searchsorted(times, at, side="right")) - 1
    number = min(max(number, 0), sample.frame_count - 1)
    return encoded(Image.fromarray(sample.frames([number])[0]), size)


def movement_lines(sample: ImuSample, *, timed: bool) -> Preview:
    """JSON: `columns`, `values` (samples, 6), and `seconds` where the rate is known; thinned."""
    values = sample.values[:: max(1, -(-len(sample.values) // MOST_LINES))]
    seconds = len(sample.values) / sample.sample_rate if timed else None
    facts = {"columns": IMU_CHANNELS, "values": np.round(values, 3).tolist(), "seconds": seconds}
    return Preview(orjson.dumps(facts), "application/json")


def readable(modality: str, data: bytes, limits: Limits) -> tuple[Sample, bool]:
    """The sample, and whether the file alone says what its scale is. Raises SensoriumError."""
    try:
        return decode(modality, data, limits=limits), True
    except MediaError:
        if modality not in ASSUMED:
            raise
        return decode(modality, data, limits=limits, **ASSUMED[modality]), False


def preview(modality: str, data: bytes, limits: Limits, size: int, at: float | None) -> Preview:
    """Draw an item's file. Raises SensoriumError; ParameterError for what has no picture."""
    sample, told = readable(modality, data, limits)
    match sample:
        case ImageSample():
            return encoded(Image.fromarray(sample.pixels), size)
        case VideoSample():
            return film_picture(sample, at, size)
        case AudioSample():
            return sound_picture(sample, size)
        case DepthSample():
            return depth_picture(sample, size)
        case ThermalSample():
            return thermal_picture(sample, size)
        case ImuSample():
            return movement_lines(sample, timed=told)
    raise ParameterError(
        f"{modality} has no preview; there are those of image, video, audio, depth, thermal and imu"
    )
