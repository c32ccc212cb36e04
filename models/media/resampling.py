"""Any sampling rate -> 16 kHz, with torchaudio's windowed sinc: the reference's resampler and defaults."""

import math

import numpy as np
import torch
from torchaudio.functional import resample

from models.samples import AUDIO_RATE_HZ, Float32

# torchaudio builds a filter of new x old values (rates without their common divisor). A rate that shares
# hardly a divisor with 16 kHz would take gigabytes; it is rounded to the next multiple of this.
LARGEST_FILTER = 20_000_000
ROUNDED_RATE_HZ = 25
CHUNK_S = 60
# More input on each side of a chunk than the filter reaches: 6 zero crossings of the lower rate, doubled.
MARGIN_PERIODS = 16


def _reduced(rate: int) -> tuple[int, int]:
    divisor = math.gcd(rate, AUDIO_RATE_HZ)
    return rate // divisor, AUDIO_RATE_HZ // divisor


def _usable_rate(rate: int) -> int:
    old, new = _reduced(rate)
    if old * new <= LARGEST_FILTER:
        return rate
    return round(rate / ROUNDED_RATE_HZ) * ROUNDED_RATE_HZ


def resample_to_16k(waveform: Float32, rate: int) -> Float32:
    """(T,) at `rate` Hz -> (ceil(T x 16000 / rate),).

    Long recordings go through in chunks that overlap by more than the filter's reach: the same
    values, in bounded memory.
    """
    rate = _usable_rate(rate)
    if rate == AUDIO_RATE_HZ:
        return waveform
    old, new = _reduced(rate)
    # Chunks begin where an input and an output sample coincide.
    step = math.ceil(CHUNK_S * rate / old) * old
    margin = math.ceil(MARGIN_PERIODS * max(rate / AUDIO_RATE_HZ, 1) / old) * old
    signal = torch.from_numpy(waveform)
    pieces = []
    for start in range(0, len(waveform), step):
        first = max(start - margin, 0)
        piece = resample(signal[first : start + step + margin], old, new)
        skipped = (start - first) // old * new
        wanted = math.ceil(min(step, len(waveform) - start) * new / old)
        pieces.append(piece[skipped : skipped + wanted].numpy())
    return np.concatenate(pieces)
