"""The modalities, as data: what each accepts, how its files are decoded, and a tiny valid sample.

To add one: a decoder under `media/` and one entry in MODALITIES. A loaded model carries these and the senses
that were bound to it (models/bound).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from types import MappingProxyType

import numpy as np

from models.errors import (
    MediaError,
    MediaTooLargeError,
    ParameterError,
    SensoriumError,
    UnknownModalityError,
)
from models.media.audio import decode_audio
from models.media.depth import decode_depth
from models.media.frames import StillFrames
from models.media.image import decode_image
from models.media.imu import decode_imu
from models.media.limits import DEFAULT_LIMITS, Limits
from models.media.parameters import Parse, number, one_of, positive, whole
from models.media.text import decode_text
from models.media.thermal import ZERO_CELSIUS_K, decode_thermal
from models.media.video import decode_video
from models.samples import (
    AUDIO_RATE_HZ,
    FASTEST_HZ,
    SLOWEST_HZ,
    AudioSample,
    DepthSample,
    Float32,
    ImageSample,
    ImuSample,
    Sample,
    TextSample,
    ThermalSample,
    VideoSample,
)


@dataclass(frozen=True)
class Modality:
    """`decode(data, limits, **params)` with the parsers of `params`; `sample()` is tiny and valid.

    `media_types` and `suffixes` (with the dot, lower case) are what its files usually carry.
    """

    name: str
    media_types: tuple[str, ...]
    suffixes: tuple[str, ...]
    decode: Callable[..., Sample]
    sample: Callable[[], Sample]
    params: Mapping[str, Parse] = field(default_factory=dict)


def _ramp(height: int, width: int) -> Float32:
    """Float32 (height, width) from 0 to 1."""
    return np.linspace(0, 1, height * width, dtype=np.float32).reshape(height, width)


def _text() -> TextSample:
    return TextSample("a photo")


def _image() -> ImageSample:
    return ImageSample(np.repeat((_ramp(8, 8) * 255).astype(np.uint8)[..., None], 3, axis=2))


def _video() -> VideoSample:
    frames = StillFrames(np.repeat(_image().pixels[None], 4, axis=0))
    return VideoSample(frames, 4, 4.0, _ramp(1, 4)[0])


def _audio() -> AudioSample:
    return AudioSample(np.sin(np.arange(AUDIO_RATE_HZ // 2) * 0.1).astype(np.float32) / 2)


def _depth() -> DepthSample:
    return DepthSample(_ramp(8, 8) * 4 + 1)


def _thermal() -> ThermalSample:
    return ThermalSample(_ramp(8, 8))


def _imu() -> ImuSample:
    return ImuSample(np.tile(np.array([0, 0, 9.81, 0, 0, 0.1], np.float32), (50, 1)), sample_rate=50.0)


PICTURE_TYPES = ("image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp", "image/tiff")
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")
ARRAY_TYPE, ARRAY_SUFFIX = "application/x-npy", ".npy"
CELSIUS = number(-ZERO_CELSIUS_K, 5000, "degrees C")

# Where several modalities take a kind of file, the first in this order is the usual one.
MODALITIES: Mapping[str, Modality] = MappingProxyType(
    {
        "text": Modality("text", ("text/plain", "text/markdown"), (".txt", ".md"), decode_text, _text),
        "image": Modality("image", PICTURE_TYPES, PICTURE_SUFFIXES, decode_image, _image),
        "video": Modality(
            "video",
            ("video/mp4", "video/webm", "video/quicktime", "video/x-matroska", "video/matroska"),
            (".mp4", ".m4v", ".webm", ".mov", ".mkv"),
            decode_video,
            _video,
            {"clips": whole(1, 100)},
        ),
        "audio": Modality(
            "audio",
            (
                "audio/wav",
                "audio/x-wav",
                "audio/flac",
                "audio/ogg",
                "audio/opus",
                "audio/mpeg",
                "audio/mp4",
                "audio/aac",
                "audio/webm",
            ),
            (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".aac", ".mka"),
            decode_audio,
            _audio,
            {"clips": whole(1, 100)},
        ),
        "depth": Modality(
            "depth",
            (ARRAY_TYPE, "image/png", "image/tiff"),
            (ARRAY_SUFFIX, ".png", ".tif", ".tiff"),
            decode_depth,
            _depth,
            {
                "unit": one_of("m", "mm", "relative"),
                "fx": positive(1_000_000, "px"),
                "baseline": positive(1000, "m"),
            },
        ),
        "thermal": Modality(
            "thermal",
            (*PICTURE_TYPES, ARRAY_TYPE),
            (*PICTURE_SUFFIXES, ARRAY_SUFFIX),
            decode_thermal,
            _thermal,
            {"min_c": CELSIUS, "max_c": CELSIUS},
        ),
        "imu": Modality(
            "imu",
            ("text/csv", ARRAY_TYPE),
            (".csv", ".tsv", ARRAY_SUFFIX),
            decode_imu,
            _imu,
            {"sample_rate": number(SLOWEST_HZ, FASTEST_HZ, "Hz"), "unit": one_of("si", "g")},
        ),
    }
)


def modality_named(name: str, among: Mapping[str, Modality] = MODALITIES) -> Modality:
    """Raises UnknownModalityError."""
    if name not in among:
        raise UnknownModalityError(f"{name!r} is no modality; there are {', '.join(among)}")
    return among[name]


def _parse(modality: Modality, params: Mapping[str, object]) -> dict[str, object]:
    unknown = [name for name in params if name not in modality.params]
    if unknown:
        accepted = ", ".join(modality.params) or "none"
        raise ParameterError(f"{modality.name} has no parameter {unknown[0]!r}; accepted: {accepted}")
    return {name: modality.params[name](name, value) for name, value in params.items() if value is not None}


def decode(
    modality: str,
    data: bytes | bytearray | memoryview,
    *,
    limits: Limits = DEFAULT_LIMITS,
    among: Mapping[str, Modality] = MODALITIES,
    **params: object,
) -> Sample:
    """The sample in a file's bytes; `params` as the modality accepts them, None = left out.

    `among`: the modalities there are, for models that know more than the usual ones.

    Raises nothing but the SensoriumError family: UnknownModalityError, ParameterError,
    UnsupportedMediaError, MediaTooLargeError, and MediaError for empty or broken data.
    """
    chosen = modality_named(modality, among)
    parsed = _parse(chosen, params)
    if not isinstance(data, bytes | bytearray | memoryview):
        raise ParameterError(f"data has to be the bytes of a file, not {type(data).__name__}")
    if not data:
        raise MediaError(f"the {modality} is empty: 0 bytes", code="empty_media")
    try:
        return chosen.decode(bytes(data), limits, **parsed)
    except SensoriumError:
        raise
    except MemoryError as error:
        raise MediaTooLargeError(f"the {modality} needs more memory than there is") from error
    except Exception as error:
        raise MediaError(f"the data could not be decoded as {modality}: the file is broken") from error


def _first(kind: str, of: Callable[[Modality], tuple[str, ...]]) -> str | None:
    return next((name for name, modality in MODALITIES.items() if kind in of(modality)), None)


def modality_of_file(name: str, media_type: str | None = None) -> str | None:
    """The usual modality of a file; None: neither its MIME type nor its name's ending says it.

    image/*, audio/* and video/* decide (WebM may be either), then the ending, then other MIME types.
    `.npy` never says it: depth, thermal and IMU all use it.
    """
    suffix = PurePath(name).suffix.lower()
    mime = (media_type or "").partition(";")[0].strip().lower()
    if suffix == ARRAY_SUFFIX or mime == ARRAY_TYPE:
        return None
    family = mime.partition("/")[0]
    if family in {"image", "audio", "video"}:
        return family
    return _first(suffix, lambda modality: modality.suffixes) or _first(
        mime, lambda modality: modality.media_types
    )
