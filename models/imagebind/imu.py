"""IMU recordings: windows of 5 s at 400 Hz, views (windows, 6, 2000), acceleration then angular rate."""

from __future__ import annotations

import math

import numpy as np
import torch

from models.embedder import Views
from models.imagebind.sizes import IMU_SAMPLES
from models.samples import Float32, ImuSample

RATE_HZ = 400
WINDOW_S = IMU_SAMPLES / RATE_HZ
MAX_WINDOWS = 3


def window_starts(length: int) -> list[int]:
    """First sample of each window of a recording of `length` samples at 400 Hz."""
    windows = min(max(math.ceil(length / IMU_SAMPLES), 1), MAX_WINDOWS)
    latest = max(length - IMU_SAMPLES, 0)
    return [latest * i // max(windows - 1, 1) for i in range(windows)]


def _window(sample: ImuSample, length: int, start: int) -> Float32:
    """(6, 2000): samples `start`.. of the recording at 400 Hz, interpolated linearly."""
    numbers = (start + np.arange(IMU_SAMPLES)) % length
    places = numbers * (sample.sample_rate / RATE_HZ)
    known = np.arange(len(sample.values))
    rows = [np.interp(places, known, axis) for axis in sample.values.T]
    return np.stack(rows).astype(np.float32)


def _notes(length: int) -> tuple[str, ...]:
    seconds = length / RATE_HZ
    if length < IMU_SAMPLES:
        return (f"recording of {seconds:.2f} s repeated to fill {WINDOW_S:g} s",)
    if length > MAX_WINDOWS * IMU_SAMPLES:
        return (f"{MAX_WINDOWS} windows of {WINDOW_S:g} s used, of {seconds:.1f} s",)
    return ()


def prepare_imu(sample: ImuSample) -> Views:
    """Up to 3 evenly spaced windows; a recording shorter than 5 s is repeated until it fills one."""
    length = max(round(len(sample.values) * RATE_HZ / sample.sample_rate), 1)
    windows = [_window(sample, length, start) for start in window_starts(length)]
    return Views(torch.from_numpy(np.stack(windows)), _notes(length))
