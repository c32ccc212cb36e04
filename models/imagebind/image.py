"""Stills and videos for the image tower: views (n, 3 colours, 2 frames, 224, 224)."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from models.embedder import Views
from models.imagebind.sampling import (
    CLIP_S,
    centre_crop,
    frame_pairs,
    scaled_image,
    scaled_video,
    three_crops,
)
from models.imagebind.sizes import IMAGE_FRAMES, IMAGE_SIDE
from models.oblong import shortened
from models.samples import ImageSample, UInt8, VideoSample

# Of OpenAI's CLIP (Radford et al. 2021), of pixels in [0, 1], red green blue.
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
VIDEO_CLIPS = 5


def _centre(pixels: UInt8) -> UInt8:
    """RGB uint8 of any size -> its middle (224, 224, 3), by Pillow's antialiased 8-bit bicubic filter."""
    height, width = scaled_image(*pixels.shape[:2])
    top, left = centre_crop(height, width)
    whole = Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)
    return np.array(whole.crop((left, top, left + IMAGE_SIDE, top + IMAGE_SIDE)))


def _per_colour(values: tuple[float, float, float]) -> torch.Tensor:
    """(3, 1, 1)."""
    return torch.tensor(values)[:, None, None]


def prepare_image(sample: ImageSample) -> Views:
    """One view: short side 224, centre crop, shown twice."""
    pixels = torch.from_numpy(_centre(shortened(sample.pixels))).permute(2, 0, 1).contiguous()
    still = (pixels.float().div(255) - _per_colour(MEAN)) / _per_colour(STD)
    return Views(still[None, :, None].expand(1, -1, IMAGE_FRAMES, -1, -1))


def _unseen(sample: VideoSample, clips: int) -> tuple[str, ...]:
    if sample.duration_s <= CLIP_S * clips:
        return ()
    return (f"{clips} clips of {CLIP_S} s seen, of {sample.duration_s:.1f} s",)


def _crops(frames: UInt8) -> list[torch.Tensor]:
    """Frames uint8 (2, H, W, 3) -> three (3, 2, 224, 224): bilinear, not antialiased, as the reference."""
    height, width = scaled_video(*frames.shape[1:3])
    colours = torch.from_numpy(frames).permute(3, 0, 1, 2).float() / 255
    scaled = functional.interpolate(colours, (height, width), mode="bilinear", align_corners=False)
    scaled = (scaled - _per_colour(MEAN)[..., None]) / _per_colour(STD)[..., None]
    corners = three_crops(height, width)
    return [scaled[..., top : top + IMAGE_SIDE, left : left + IMAGE_SIDE] for top, left in corners]


def prepare_video(sample: VideoSample) -> Views:
    """Clips times 3 crops, clip by clip; of each clip of 2 s the first and the last frame."""
    clips = VIDEO_CLIPS if sample.clips is None else sample.clips
    pairs = frame_pairs(sample.frame_count, sample.fps, clips)
    numbers = sorted({number for pair in pairs for number in pair})
    seen = dict(zip(numbers, map(shortened, sample.each(numbers)), strict=True))
    views = [crop for first, last in pairs for crop in _crops(np.stack([seen[first], seen[last]]))]
    return Views(torch.stack(views), notes=_unseen(sample, clips))
