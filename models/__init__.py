"""Media into vectors of one shared space: decode bytes, load a model, embed samples."""

from models.embedder import Embedder, Views
from models.errors import (
    MediaError,
    MediaTooLargeError,
    ParameterError,
    SensoriumError,
    UnknownModalityError,
    UnknownModelError,
    UnsupportedMediaError,
    WeightsError,
)
from models.load import load
from models.media.limits import DEFAULT_LIMITS, Limits
from models.modalities import MODALITIES, Modality, decode, modality_of_file
from models.registry import REGISTRY
from models.samples import (
    AudioSample,
    DepthSample,
    ImageSample,
    ImuSample,
    Sample,
    TextSample,
    ThermalSample,
    VideoSample,
)

__all__ = [
    "DEFAULT_LIMITS",
    "MODALITIES",
    "REGISTRY",
    "AudioSample",
    "DepthSample",
    "Embedder",
    "ImageSample",
    "ImuSample",
    "Limits",
    "MediaError",
    "MediaTooLargeError",
    "Modality",
    "ParameterError",
    "Sample",
    "SensoriumError",
    "TextSample",
    "ThermalSample",
    "UnknownModalityError",
    "UnknownModelError",
    "UnsupportedMediaError",
    "VideoSample",
    "Views",
    "WeightsError",
    "decode",
    "load",
    "modality_of_file",
]
