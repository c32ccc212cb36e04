"""Reads the sound packs into mel power, kept in a cache folder, and draws augmented clips from them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import torch

from models.small.sounds import CLIP_SAMPLES, FRAMES, MELS, SILENT_POWER, decibels, mel_power
from training.index import Item
from training.labelled import Batch, Columns, rarity_weights
from training.pictures import members
from training.space import Space

SHARES = {"sounds/esc10.zip": 0.5, "sounds/animals.zip": 0.4, "sounds/digits.zip": 0.1}
BACKGROUND_DB = (3.0, 25.0)  # another sound is mixed in this much below
MASK_MELS, MASK_FRAMES = 16, 24  # widest stripes blanked (SpecAugment, Park et al. 2019)
SHIFT_MELS = 5  # pitch


def waveforms(data: Path, items: list[Item]) -> list[npt.NDArray[np.float32]]:
    """Mono float32 at 16 kHz, as stored."""
    read = (soundfile.read(io.BytesIO(encoded), dtype="float32") for encoded in members(data, items))
    return [samples for samples, _ in read]


def whole_mel(waveform: npt.NDArray[np.float32]) -> torch.Tensor:
    """log10 mel power of a whole sound, at least one clip long, fp16 (MELS, frames)."""
    short = max(0, CLIP_SAMPLES - waveform.size)
    padded = torch.from_numpy(np.pad(waveform, (short // 2, short - short // 2)))
    return mel_power(padded[None])[0].clamp(min=SILENT_POWER).log10().half()


def training_mels(data: Path, cache: Path, items: list[Item]) -> list[torch.Tensor]:
    path = cache / "audio_train.pt"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        torch.save([whole_mel(waveform) for waveform in waveforms(data, items)], path)
    mels: list[torch.Tensor] = torch.load(path, weights_only=True)
    return mels


class SoundSource:
    """Two-second clips: the louder of two places, mixed with another sound, shifted, striped."""

    def __init__(self, mels: list[torch.Tensor], items: list[Item], space: Space) -> None:
        self.mels = mels
        self.columns = Columns(items, space)
        self.columns.concepts[[item.label == "sneezing" for item in items]] = -1  # a sneeze is no "person"
        self.weights = rarity_weights(items, SHARES)

    def batch(self, size: int, _: float) -> Batch:
        rows = torch.multinomial(self.weights, size)
        power = torch.stack([self._clip(int(row)) for row in rows])
        x = torch.stack([decibels(one[None])[0] for one in with_background(power)])
        x = stripes(shifted(x))[:, None].contiguous(memory_format=torch.channels_last)
        return self.columns.batch(x, rows)

    def _clip(self, row: int) -> torch.Tensor:
        mel = self.mels[row]
        starts = torch.randint(0, mel.shape[1] - FRAMES + 1, (2,)).tolist()
        cuts = [10 ** mel[:, start : start + FRAMES].float() for start in starts]
        return max(cuts, key=lambda cut: float(cut.sum()))


def with_background(power: torch.Tensor) -> torch.Tensor:
    """Half of the clips (n, MELS, FRAMES) get their neighbour, BACKGROUND_DB below their own level."""
    level = power.mean((1, 2), keepdim=True)
    other = power.roll(1, 0) / level.roll(1, 0) * level
    below = torch.empty(len(power), 1, 1).uniform_(*BACKGROUND_DB)
    mixed = torch.randint(0, 2, (len(power), 1, 1))
    return power + mixed * other * 10 ** (-below / 10)


def shifted(x: torch.Tensor) -> torch.Tensor:
    """Each picture (n, MELS, FRAMES) moved up or down by at most SHIFT_MELS, and along the time."""
    moves = torch.randint(-SHIFT_MELS, SHIFT_MELS + 1, (len(x),)).tolist()
    return torch.stack([one.roll(move, 0) for one, move in zip(x, moves, strict=True)])


def stripes(x: torch.Tensor) -> torch.Tensor:
    """Blank one band and one stretch of every picture (n, MELS, FRAMES)."""
    for axis, widest, length in ((1, MASK_MELS, MELS), (2, MASK_FRAMES, FRAMES)):
        width = torch.rand(len(x), 1) * widest
        start = torch.rand(len(x), 1) * (length - width)
        place = torch.arange(length)[None]
        blank = (place >= start) & (place < start + width)
        x = x.masked_fill(blank.unsqueeze(3 - axis), -2.0)
    return x
