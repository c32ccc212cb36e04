"""Items of the data as the samples that the service would make of them."""

from __future__ import annotations

from pathlib import Path

from models.samples import AudioSample, DepthSample, ImageSample, ImuSample, Sample, ThermalSample
from models.small.movements import RATE_HZ
from training.index import Item
from training.maps import depth_metres, thermal_values
from training.movements import recordings
from training.pictures import pixels_of
from training.sounds import waveforms


def samples_of(data: Path, items: list[Item]) -> list[Sample]:
    """Samples of items of one modality, in their order."""
    modality = items[0].modality
    if modality == "image":
        return [ImageSample(pixels) for pixels in pixels_of(data, items)]
    if modality == "audio":
        return [AudioSample(waveform) for waveform in waveforms(data, items)]
    if modality == "imu":
        return [ImuSample(values, sample_rate=RATE_HZ) for values in recordings(data, items)]
    if modality == "thermal":
        return [ThermalSample(values) for values in thermal_values(data, items)]
    return [DepthSample(metres) for metres in depth_metres(data, items)]
