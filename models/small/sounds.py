"""Prepare of audio: log-mel pictures of up to five loud stretches of a sound."""

from __future__ import annotations

import math
from functools import cache
from typing import TypeAlias

import numpy as np
import torch
from torch.nn import functional
from torchaudio.functional import melscale_fbanks

from models.embedder import Views
from models.recording import scripted
from models.samples import AUDIO_RATE_HZ, AudioSample, Float32

CLIP_S = 2.0  # one view
CLIP_SAMPLES = int(CLIP_S * AUDIO_RATE_HZ)
CLIPS = 5  # at most, spread over the sound
WINDOW = 1024  # samples, 64 ms
HOP = 320  # samples, 20 ms
FRAMES = CLIP_SAMPLES // HOP
MELS = 128
BAND = 16  # filters that are applied together
LOWEST_HZ, HIGHEST_HZ = 30.0, 8000.0
RANGE_DB = 80.0  # below the sound's loudest point; the rest is cut off
SILENT_POWER = 1e-10  # of a mel band
QUIET_DB = 40.0  # a clip this far below the loudest clip is left out

Band: TypeAlias = tuple[int, int, torch.Tensor]
"""First bin, the one behind the last, and the filters that hear those bins, (bins, BAND)."""


@cache
def mel_filters() -> torch.Tensor:
    """(WINDOW / 2 + 1, MELS): Slaney's triangles."""
    filters: torch.Tensor = melscale_fbanks(
        WINDOW // 2 + 1, LOWEST_HZ, HIGHEST_HZ, MELS, AUDIO_RATE_HZ, "slaney", "slaney"
    )
    return filters


@cache
def mel_bands() -> list[Band]:
    """The filters, BAND at a time, with the bins that they hear: of all the others they are 0."""
    bands = []
    for filters in torch.split(mel_filters(), BAND, dim=1):
        heard = filters.any(1).nonzero()
        first, end = int(heard.min()), int(heard.max()) + 1
        bands.append((first, end, filters[first:end].contiguous()))
    return bands


def clip_starts(length: int, wanted: int) -> list[int]:
    """First samples of at most `wanted` clips, at most one per second, spread over the sound."""
    spare = length - CLIP_SAMPLES
    if spare <= 0:
        return [0]
    count = max(1, min(wanted, 1 + math.ceil(spare / AUDIO_RATE_HZ)))
    return [round(spare * (i + 0.5) / count) for i in range(count)]


def clips(waveform: Float32, wanted: int = CLIPS) -> Float32:
    """(samples,) -> (clips, CLIP_SAMPLES): short sounds padded with silence, quiet clips left out."""
    short = max(0, CLIP_SAMPLES - waveform.size)
    padded = np.pad(waveform, (short // 2, short - short // 2)) if short else waveform
    cut = np.stack([padded[s : s + CLIP_SAMPLES] for s in clip_starts(padded.size, wanted)])
    power = np.square(cut, dtype=np.float64).mean(-1)
    loud: Float32 = cut[power >= power.max() * 10 ** (-QUIET_DB / 10)]
    return loud


def power_in_bands(
    waveforms: torch.Tensor, window: torch.Tensor, hop: int, bands: list[Band]
) -> torch.Tensor:
    """(n, samples), (size,) -> the power that the filters of all bands let through, (n, filters, frames)."""
    size = window.shape[0]
    padded = functional.pad(waveforms, [size // 2, size // 2 - hop])
    frames = padded.unfold(-1, size, hop) * window  # (n, frames, size)
    real, imaginary = torch.view_as_real(torch.fft.rfft(frames)).unbind(-1)
    power = real.square().addcmul(imaginary, imaginary)
    mels = [power[..., first:end] @ filters for first, end, filters in bands]
    return torch.cat(mels, -1).transpose(1, 2)


def below_the_loudest(power: torch.Tensor, silent: float, span: float) -> torch.Tensor:
    """Decibels below the loudest point, at most `span`, as values in [-2, 2]."""
    loudness = 10 * power.clamp(min=silent).log10()
    relative = (loudness - loudness.max()).clamp(min=-span)
    return relative / (span / 4) + 2


# Each in one call: between any two Python's lock is let go and waited for (models/recording.py).
recorded_power = scripted(power_in_bands)
recorded_decibels = scripted(below_the_loudest)


def mel_power(waveforms: torch.Tensor) -> torch.Tensor:
    """float32 (n, CLIP_SAMPLES) -> (n, MELS, FRAMES)."""
    return recorded_power(waveforms, torch.hann_window(WINDOW), HOP, mel_bands())


def decibels(power: torch.Tensor) -> torch.Tensor:
    """Mel power (n, MELS, FRAMES) of one sound -> values in [-2, 2], its loudest point at 2."""
    return recorded_decibels(power, SILENT_POWER, RANGE_DB)


def prepare_audio(sample: AudioSample) -> Views:
    """Views (clips, 1, MELS, FRAMES)."""
    cut = clips(sample.waveform, sample.clips or CLIPS)
    views = decibels(mel_power(torch.from_numpy(cut)))[:, None]
    if len(cut) * CLIP_S >= sample.duration_s:
        return Views(views)
    return Views(views, (f"{len(cut)} clips of {CLIP_S:g} s used, of {sample.duration_s:.1f} s",))
