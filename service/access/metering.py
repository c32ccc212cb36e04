"""What an input holds, in the units of the rate limits, charged to whoever sent it."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar

from models.samples import (
    AudioSample,
    DepthSample,
    ImageSample,
    ImuSample,
    Sample,
    ThermalSample,
    VideoSample,
)
from service.access.rates import PIXELS, SECONDS, Meter

METER: ContextVar[Meter | None] = ContextVar("meter", default=None)


def amounts_of(sample: Sample) -> Mapping[str, float]:
    """Seconds of recordings, pixels of pictures and maps; texts and arrays cost their request alone."""
    match sample:
        case AudioSample() | VideoSample():
            return {SECONDS: sample.duration_s}
        case ImuSample():
            return {SECONDS: len(sample.values) / sample.sample_rate}
        case ImageSample():
            return {PIXELS: sample.pixels.shape[0] * sample.pixels.shape[1]}
        case DepthSample():
            return {PIXELS: sample.metres.size}
        case ThermalSample():
            return {PIXELS: sample.values.size}
        case _:
            return {}


def charge(sample: Sample) -> None:
    """Charge the caller of the request that this context belongs to."""
    meter = METER.get()
    if meter is not None:
        meter.charge(amounts_of(sample))
