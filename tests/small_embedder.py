"""A real embedder that is there in milliseconds: tiny fixed towers over the real decoders, 16 dimensions."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from models.embedder import Embedder, Tower, Views
from models.errors import ParameterError
from models.samples import VideoSample

DIM = 16
VOCABULARY = 49_408
TEXT_LENGTH = 77


class BagOfTokens(nn.Module):
    """(n, 77) token ids -> (n, 16); 0 is padding."""

    def __init__(self):
        super().__init__()
        self.bag = nn.EmbeddingBag(VOCABULARY, DIM, mode="sum", padding_idx=0)

    def forward(self, ids):
        return self.bag(ids)


def projection(width):
    return nn.Sequential(nn.Flatten(), nn.Linear(width, 32), nn.Tanh(), nn.Linear(32, DIM))


def text_views(sample):
    """A byte is a token; longer texts are cut, and the caller is told."""
    ids = list(sample.tokens) if sample.tokens is not None else [byte + 1 for byte in sample.text.encode()]
    if max(ids) >= VOCABULARY:
        raise ParameterError(f"token ids go from 0 to {VOCABULARY - 1}")
    notes = (f"text cut to {TEXT_LENGTH} tokens",) if len(ids) > TEXT_LENGTH else ()
    ids = ids[:TEXT_LENGTH]
    padded = torch.tensor([ids + [0] * (TEXT_LENGTH - len(ids))])
    return Views(padded, notes, len(ids))


def resized(picture, size=8):
    """(channels, H, W) -> (1, channels, size, size)."""
    return functional.interpolate(picture[None], (size, size), mode="area")


def image_views(sample):
    """One view of a picture, two of a video: its first and its last frame."""
    if isinstance(sample, VideoSample):
        frames = sample.frames([0, sample.frame_count - 1])
    else:
        frames = sample.pixels[None]
    pixels = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float() / 255
    return Views(torch.cat([resized(each) for each in pixels]))


def audio_views(sample):
    """Loudness in 64 bands."""
    spectrum = torch.from_numpy(np.abs(np.fft.rfft(sample.waveform, n=16_000)).astype(np.float32))
    return Views(functional.interpolate(spectrum[None, None], 64, mode="area").log1p())


def depth_views(sample):
    return Views(resized(torch.from_numpy(sample.metres)[None]))


def thermal_views(sample):
    return Views(resized(torch.from_numpy(sample.values)[None]))


def imu_views(sample):
    return Views(functional.interpolate(torch.from_numpy(sample.values.T.copy())[None], 64, mode="area"))


def small_embedder(name="small-test", seed=0):
    """All six senses; different seeds are different models."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        towers = {
            "text": Tower(text_views, BagOfTokens(), 20.0),
            "image": Tower(image_views, projection(3 * 64), 20.0),
            "audio": Tower(audio_views, projection(64), 20.0),
            "depth": Tower(depth_views, projection(64), 20.0),
            "thermal": Tower(thermal_views, projection(64), 20.0),
            "imu": Tower(imu_views, projection(6 * 64), 20.0),
        }
    return Embedder(
        name=name,
        dim=DIM,
        towers=towers,
        identity=f"identity-of-{name}-{seed}",
        licence="Apache-2.0",
        allows_shortening=True,
    )
