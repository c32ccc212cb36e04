"""Any sampling rate -> 16 kHz, with torchaudio's windowed sinc: the reference's resampler and defaults."""

import math
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import torch
from torch.nn import functional
from torchaudio.transforms import Resample

from models.recording import scripted
from models.samples import AUDIO_RATE_HZ, Float32

# torchaudio builds a filter of new x old values (rates without their common divisor). A rate that shares
# hardly a divisor with 16 kHz would take gigabytes; it is rounded to the next multiple of this.
LARGEST_FILTER = 20_000_000
ROUNDED_RATE_HZ = 25
# To calculate a filter takes as long as to apply it to some seconds; those of the usual rates are kept.
LARGEST_KEPT, MOST_KEPT = 300_000, 16
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


def _filters(old: int, new: int) -> torch.Tensor:
    """One for each of the `new` outputs of `old` inputs, float32 (new, 1, size)."""
    kernel: torch.Tensor = Resample(old, new, dtype=torch.float32).kernel
    return kernel


_kept_filters = lru_cache(MOST_KEPT)(_filters)


def polyphase(signal: torch.Tensor, filters: torch.Tensor, old: int) -> torch.Tensor:
    """(T,), (new, 1, size) -> the outputs in order, `new` for every `old` inputs and for silence behind."""
    reach = (filters.shape[2] - old) // 2
    padded = functional.pad(signal[None], [reach, reach + old])
    return functional.conv1d(padded[None], filters, stride=old)[0].t().flatten()


# In one call, for which Python's lock is waited for once (models/recording.py).
recorded_polyphase = scripted(polyphase)


class Resampler:
    """A sound that comes in blocks -> the same at 16 kHz, in pieces: (T,) -> (ceil(T x 16000 / rate),).

    It is cut into chunks that overlap by more than the filter's reach: the same values as in one go, in
    memory that does not grow with the sound.
    """

    def __init__(self, rate: int) -> None:
        rate = _usable_rate(rate)
        self.old, self.new = _reduced(rate)
        # Chunks begin where an input and an output sample coincide.
        self._step = math.ceil(CHUNK_S * rate / self.old) * self.old
        self._margin = math.ceil(MARGIN_PERIODS * max(rate / AUDIO_RATE_HZ, 1) / self.old) * self.old
        self._blocks: list[Float32] = []
        self._held = self._before = 0

    def feed(self, block: Float32) -> Iterator[Float32]:
        """What can be told once this block is known."""
        if self.old == self.new:
            yield block
            return
        self._blocks.append(block)
        self._held += len(block)
        while self._held - self._before >= self._step + self._margin:
            signal = self._signal()
            yield self._resampled(signal[: self._before + self._step + self._margin], self._step)
            first = max(self._before + self._step - self._margin, 0)
            self._before += self._step - first
            self._blocks, self._held = [signal[first:].copy()], len(signal) - first

    def finish(self) -> Iterator[Float32]:
        """The rest, of which there may be two chunks."""
        while self._held > self._before:
            signal = self._signal()
            yield self._resampled(signal, min(self._step, self._held - self._before))
            first = min(max(self._before + self._step - self._margin, 0), len(signal))
            self._before += self._step - first
            self._blocks, self._held = [signal[first:]], len(signal) - first

    def _signal(self) -> Float32:
        self._blocks = [np.concatenate(self._blocks)]
        return self._blocks[0]

    def _resampled(self, signal: Float32, count: int) -> Float32:
        """`count` input samples from `_before` on, with what surrounds them."""
        near = torch.from_numpy(signal[: self._before + self._step + self._margin])
        filters = _kept_filters if self.old * self.new <= LARGEST_KEPT else _filters
        piece = recorded_polyphase(near, filters(self.old, self.new), self.old)
        skipped = self._before // self.old * self.new
        wanted: Float32 = piece[skipped : skipped + math.ceil(count * self.new / self.old)].numpy()
        return wanted


def resample_to_16k(waveform: Float32, rate: int) -> Float32:
    """(T,) at `rate` Hz -> (ceil(T x 16000 / rate),)."""
    resampler = Resampler(rate)
    return np.concatenate([*resampler.feed(waveform), *resampler.finish()])
