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
    "REGISTRY",
    "AudioSample",
    "DepthSample",
    "Embedder",
    "ImageSample",
    "ImuSample",
    "MediaError",
    "MediaTooLargeError",
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
    "load",
]
