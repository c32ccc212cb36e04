"""Prepare of IMU recordings: 50 Hz windows with channels that do not depend on how the sensor is worn."""

from __future__ import annotations

import numpy as np
import torch

from models.embedder import Views
from models.errors import MediaError
from models.samples import Float32, ImuSample

RATE_HZ = 50.0
WINDOW = 256  # samples, 5.12 s
HOP = 128  # samples between windows of a long recording
WINDOWS = 8  # at most, spread over the recording
LONGEST = 1_000_000  # samples after resampling, 5.6 hours
GRAVITY_M_S2 = 9.80665
ACCEL_STD = GRAVITY_M_S2 / 2  # m/s2
GYRO_STD = 0.7  # rad/s


def resample(values: Float32, rate: float) -> Float32:
    """(T, 6) at `rate` [Hz] -> at RATE_HZ: a running mean against aliases, then straight lines."""
    count = max(1, round(len(values) * RATE_HZ / rate))
    if count > LONGEST:
        raise MediaError(f"{len(values)} samples at {rate:g} Hz last longer than {LONGEST / RATE_HZ:.0f} s")
    if rate == RATE_HZ:
        return values
    width = min(len(values), max(1, round(rate / RATE_HZ)))
    sums = np.cumsum(np.pad(values.astype(np.float64), ((width // 2 + 1, width), (0, 0)), "edge"), axis=0)
    means = (sums[width:] - sums[:-width])[: len(values)] / width
    wanted, own = np.arange(count) / RATE_HZ, np.arange(len(values)) / rate
    return np.stack([np.interp(wanted, own, column) for column in means.T], 1).astype(np.float32)


def windows(values: Float32) -> Float32:
    """(T, 6) at RATE_HZ -> (windows, WINDOW, 6); a short recording is continued by its mirror image."""
    values = np.pad(values, ((0, max(0, WINDOW - len(values))), (0, 0)), "symmetric")
    spare = len(values) - WINDOW
    count = min(WINDOWS, 1 + -(-spare // HOP))
    starts = np.linspace(0, spare, count).round().astype(int)
    return np.stack([values[start : start + WINDOW] for start in starts])


def movement_input(x: torch.Tensor) -> torch.Tensor:
    """(n, WINDOW, 6) in m/s2 and rad/s -> (n, 10, WINDOW).

    Added to the six: lengths of acceleration and angular rate, and their parts along gravity, which
    is taken as the mean acceleration of the window.
    """
    accel, gyro = x[..., :3] / ACCEL_STD, x[..., 3:] / GYRO_STD
    mean = accel.mean(1, keepdim=True)
    down = mean / mean.norm(dim=-1, keepdim=True).clamp(min=1e-3)
    added = [accel.norm(dim=-1), gyro.norm(dim=-1), (accel * down).sum(-1), (gyro * down).sum(-1)]
    return torch.cat([accel, gyro, torch.stack(added, -1)], -1).transpose(1, 2).contiguous()


def prepare_imu(sample: ImuSample) -> Views:
    """Views (windows, 10, WINDOW)."""
    values = resample(sample.values, sample.sample_rate)
    return Views(movement_input(torch.from_numpy(windows(values))), _notes(len(values)))


def _notes(length: int) -> tuple[str, ...]:
    seconds, window = length / RATE_HZ, WINDOW / RATE_HZ
    if length < WINDOW:
        return (f"recording of {seconds:.2f} s continued by its mirror image to {window:g} s",)
    if length > WINDOW + (WINDOWS - 1) * HOP:
        return (f"{WINDOWS} windows of {window:g} s used, of {seconds:.1f} s",)
    return ()
