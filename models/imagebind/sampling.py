"""Where clips start, which frames are seen, how pictures are scaled and cropped: arithmetic only.

Clip starts are exact fractions of a rounded duration, as in the pytorchvideo commit that ImageBind
pins (`ConstantClipsPerVideoSampler`); plain floats end the last clip of some sounds a sample later.
"""

from __future__ import annotations

import math
from fractions import Fraction

from models.errors import ParameterError
from models.imagebind.sizes import IMAGE_SIDE

CLIP_S = 2
MAX_CLIPS = 100


def clip_starts(duration_s: float, clips: int) -> list[Fraction]:
    """Starts [s] of evenly spaced clips of 2 s, first and last flush with the recording's ends."""
    if not 1 <= clips <= MAX_CLIPS:
        raise ParameterError(f"clips is {clips}; accepted are 1 to {MAX_CLIPS}")
    latest = Fraction(max(duration_s - CLIP_S, 0))
    return [Fraction(latest, max(clips - 1, 1)) * i for i in range(clips)]


def audio_spans(samples: int, rate_hz: int, clips: int) -> list[tuple[int, int]]:
    """First sample and the one after the last, for each clip; shorter where the sound is."""
    starts = clip_starts(samples / rate_hz, clips)
    return [(int(start * rate_hz), min(int((start + CLIP_S) * rate_hz), samples)) for start in starts]


def frame_pairs(frames: int, fps: float, clips: int) -> list[tuple[int, int]]:
    """First and last frame of each clip: the two that the image tower sees."""
    starts = clip_starts(frames / fps, clips)
    firsts = [min(math.ceil(fps * start), frames - 1) for start in starts]
    lasts = [min(math.ceil(fps * (start + CLIP_S)), frames) - 1 for start in starts]
    return [(first, max(first, last)) for first, last in zip(firsts, lasts, strict=True)]


def scaled_image(height: int, width: int) -> tuple[int, int]:
    """Size (height, width) of a still whose short side becomes 224; the long one is rounded down."""
    short, long = min(height, width), max(height, width)
    scaled = int(IMAGE_SIDE * long / short)
    return (IMAGE_SIDE, scaled) if height <= width else (scaled, IMAGE_SIDE)


def scaled_video(height: int, width: int) -> tuple[int, int]:
    """The same for frames; the reference divides before it multiplies, which rounds differently."""
    if width < height:
        return math.floor(height / width * IMAGE_SIDE), IMAGE_SIDE
    return IMAGE_SIDE, math.floor(width / height * IMAGE_SIDE)


def centre_crop(height: int, width: int) -> tuple[int, int]:
    """Top and left of the middle 224 x 224, halves rounded to even."""
    return round((height - IMAGE_SIDE) / 2), round((width - IMAGE_SIDE) / 2)


def three_crops(height: int, width: int) -> list[tuple[int, int]]:
    """Top and left of the first, middle and last 224 x 224 along the longer side."""
    top, left = height - IMAGE_SIDE, width - IMAGE_SIDE
    middle = math.ceil(top / 2), math.ceil(left / 2)
    return [(0, 0), middle, (top, left)]
