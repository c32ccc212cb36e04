"""What each of ImageBind's towers takes, and how it becomes views."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from models.imagebind.audio import prepare_audio
from models.imagebind.image import prepare_image, prepare_video
from models.imagebind.imu import prepare_imu
from models.imagebind.picture import prepare_depth, prepare_thermal
from models.imagebind.text import prepare_text
from models.prepare import Takes
from models.samples import (
    AudioSample,
    DepthSample,
    ImageSample,
    ImuSample,
    TextSample,
    ThermalSample,
    VideoSample,
)

TAKES: Mapping[str, Takes] = MappingProxyType(
    {
        "text": {TextSample: prepare_text},
        "image": {ImageSample: prepare_image, VideoSample: prepare_video},
        "audio": {AudioSample: prepare_audio},
        "depth": {DepthSample: prepare_depth},
        "thermal": {ThermalSample: prepare_thermal},
        "imu": {ImuSample: prepare_imu},
    }
)
