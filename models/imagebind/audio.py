"""Sounds: clips of 2 s as log-mel pictures (clips, 1, 128 bins, 204 frames)."""

from __future__ import annotations

import torch
from torch.nn import functional
from torchaudio.compliance import kaldi

from models.embedder import Views
from models.errors import MediaError
from models.imagebind.sampling import CLIP_S, audio_spans
from models.imagebind.sizes import MEL_BINS, MEL_FRAMES
from models.samples import AUDIO_RATE_HZ, AudioSample

AUDIO_CLIPS = 3
WINDOW_MS = 25
STEP_MS = 10
SHORTEST = AUDIO_RATE_HZ * WINDOW_MS // 1000  # samples: one window
# Of AudioSet's log-mel values (natural logarithm), as in AST (Gong et al. 2021), whose picture this is.
MEAN = -4.268
STD = 9.138


def _unheard(sample: AudioSample, clips: int) -> tuple[str, ...]:
    if sample.duration_s <= CLIP_S * clips:
        return ()
    return (f"{clips} clips of {CLIP_S} s heard, of {sample.duration_s:.1f} s",)


def log_mel(waveform: torch.Tensor) -> torch.Tensor:
    """A clip (samples,) at 16 kHz -> standardised log-mel power (1, 128, 204).

    The mean is taken off a copy: the reference does so in place, and overlapping clips damage each other.
    """
    bank: torch.Tensor = kaldi.fbank(
        (waveform - waveform.mean())[None],
        sample_frequency=AUDIO_RATE_HZ,
        window_type="hanning",
        num_mel_bins=MEL_BINS,
        frame_length=WINDOW_MS,
        frame_shift=STEP_MS,
        dither=0.0,
        use_energy=False,
        htk_compat=True,
    )
    padded = functional.pad(bank.T, (0, max(MEL_FRAMES - len(bank), 0)))[:, :MEL_FRAMES]
    return (padded[None] - MEAN) / STD


def prepare_audio(sample: AudioSample) -> Views:
    """Evenly spaced clips of 2 s; a shorter sound is padded with zeros before the statistics."""
    if sample.waveform.size < SHORTEST:
        raise MediaError(
            f"the sound has {sample.waveform.size} samples at 16 kHz; at least {SHORTEST} (25 ms) are needed",
            code="too_short",
        )
    clips = AUDIO_CLIPS if sample.clips is None else sample.clips
    waveform = torch.from_numpy(sample.waveform)
    spans = audio_spans(len(waveform), AUDIO_RATE_HZ, clips)
    views = torch.stack([log_mel(waveform[start:end]) for start, end in spans])
    return Views(views, notes=_unheard(sample, clips))
