"""Prepare of image, video, thermal and depth: the middle square, resized, as numbers around 0."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch.nn import functional

from models.embedder import Views
from models.recording import scripted
from models.samples import DepthSample, Float32, ImageSample, ThermalSample, UInt8, VideoSample

IMAGE_SIDE = 64  # pixels
CLOSER = 0.875  # share of the middle square that the closer look takes
THERMAL_SIDE = 96
DEPTH_SIDE = 64
VIDEO_FRAMES = 8  # looked at, spread over the video

PIXEL_MEAN, PIXEL_STD = 118.0, 64.0  # of 0..255
THERMAL_MEAN, THERMAL_STD = 0.45, 0.22  # of 0..1

NEAREST_M, FARTHEST_M = 0.05, 100.0  # distances beyond are taken as these
FLAT = 0.05  # standard deviation of log distance below which a map counts as flat


def middle(shape: tuple[int, ...], kept: float = 1.0) -> tuple[slice, slice]:
    """Rows and columns of the middle square of a picture (H, W, ...); `kept`: share of its short side."""
    side = max(1, round(kept * min(shape[:2])))
    top, left = (shape[0] - side) // 2, (shape[1] - side) // 2
    return slice(top, top + side), slice(left, left + side)


def resized(planes: torch.Tensor, side: int, mode: str) -> torch.Tensor:
    """(channels, H, W) -> (channels, side, side), antialiased as Pillow does it, several times as fast.

    Bytes differ from Pillow's by 1, hardly ever 2, in some places of a thousand (of noise in one of a
    hundred), floats by 2e-6 of their range.
    """
    return functional.interpolate(planes[None], [side, side], mode=mode, antialias=True)[0]


def small_square(cut: torch.Tensor, side: int) -> torch.Tensor:
    """A square of uint8 (height, height, 3) -> its planes, (3, side, side)."""
    return recorded_resized(cut.permute(2, 0, 1), side, "bicubic")


def two_looks(closer: torch.Tensor, whole: torch.Tensor, side: int) -> torch.Tensor:
    """Two squares of a picture, the second mirrored, uint8 (2, 3, side, side)."""
    return torch.stack([recorded_square(closer, side), recorded_square(whole, side).flip(-1)])


def centred(planes: torch.Tensor, mean: float, std: float) -> torch.Tensor:
    """uint8 (n, 3, side, side) -> float32 around 0."""
    return (planes.float() - mean) / std


# Each in one call: between any two Python's lock is let go and waited for (models/recording.py).
recorded_resized = scripted(resized)
recorded_square = scripted(small_square)
recorded_looks = scripted(two_looks)
recorded_centred = scripted(centred)


def tensor_of(picture: UInt8 | Float32) -> torch.Tensor:
    """The same numbers, in order; read-only ones are copied, as torch does not know those."""
    ordered = np.ascontiguousarray(picture)
    return torch.from_numpy(ordered if ordered.flags.writeable else ordered.copy())


def square(pixels: UInt8, side: int, kept: float = 1.0) -> UInt8:
    """uint8 (H, W, 3) -> (side, side, 3), antialiased."""
    small = recorded_square(tensor_of(pixels[middle(pixels.shape, kept)]), side)
    rows: UInt8 = small.permute(1, 2, 0).numpy()
    return rows


def photograph(pixels: UInt8) -> torch.Tensor:
    """Two looks at a picture (H, W, 3): closer at its middle, and mirrored as a whole. (2, 3, side, side)."""
    closer, whole = (tensor_of(pixels[middle(pixels.shape, kept)]) for kept in (CLOSER, 1.0))
    return recorded_looks(closer, whole, IMAGE_SIDE)


def one_look(pictures: Iterable[UInt8]) -> torch.Tensor:
    """Each picture through one of the two looks in turn, (n, 3, side, side)."""
    return torch.stack([photograph(pixels)[place % 2] for place, pixels in enumerate(pictures)])


def plane(values: Float32, side: int, kept: float = 1.0) -> Float32:
    """float32 (H, W) -> (side, side), antialiased."""
    cut = tensor_of(values[middle(values.shape, kept)])
    small: Float32 = recorded_resized(cut[None], side, "bilinear")[0].numpy()
    return small


def input_of(planes: torch.Tensor) -> torch.Tensor:
    """uint8 (n, 3, side, side) -> float32."""
    return recorded_centred(planes, PIXEL_MEAN, PIXEL_STD)


def image_input(pixels: UInt8) -> torch.Tensor:
    """uint8 (n, side, side, 3) -> float32 (n, 3, side, side)."""
    return input_of(torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2))


def thermal_input(values: Float32) -> torch.Tensor:
    """float32 (n, side, side) in [0, 1] -> (n, 1, side, side)."""
    return (torch.from_numpy(np.array(values))[:, None] - THERMAL_MEAN) / THERMAL_STD


def depth_planes(metres: Float32, side: int = DEPTH_SIDE, kept: float = 1.0) -> Float32:
    """float32 (H, W), 0 = no reading -> (2, side, side): standardised log distance, share of readings.

    Standardising per picture over its readings makes metres and relative maps look alike.
    """
    valid = (metres > 0).astype(np.float32)
    logs = np.log(np.clip(metres, NEAREST_M, FARTHEST_M)) * valid
    weight = plane(valid, side, kept)
    value = plane(logs.astype(np.float32), side, kept) / np.maximum(weight, 1e-3)
    seen = weight > 0.5
    if not seen.any():
        return np.stack([np.zeros_like(weight), weight])
    spread = max(float(value[seen].std()), FLAT)
    return np.stack([np.where(seen, (value - value[seen].mean()) / spread, 0.0), weight]).astype(np.float32)


def prepare_image(sample: ImageSample) -> Views:
    """Two views (2, 3, side, side)."""
    return Views(input_of(photograph(sample.pixels)))


def prepare_video(sample: VideoSample) -> Views:
    """The frames in the middle of at most VIDEO_FRAMES equal stretches, (frames, 3, side, side).

    They are seen through the two looks in turn.
    """
    count = min(VIDEO_FRAMES, sample.frame_count)
    numbers = [int((i + 0.5) * sample.frame_count / count) for i in range(count)]
    frames = one_look(sample.each(numbers))
    return Views(input_of(frames), (f"{count} of {sample.frame_count} frames used",))


def prepare_thermal(sample: ThermalSample) -> Views:
    """Two views (2, 1, side, side), the looks of `photograph`."""
    closer = plane(sample.values, THERMAL_SIDE, CLOSER)
    mirrored = plane(sample.values, THERMAL_SIDE)[:, ::-1]
    return Views(thermal_input(np.stack([closer, mirrored])), sample.notes)


def prepare_depth(sample: DepthSample) -> Views:
    """Two views (2, 2, side, side), the looks of `photograph`."""
    closer = depth_planes(sample.metres, kept=CLOSER)
    mirrored = depth_planes(sample.metres)[:, :, ::-1]
    return Views(torch.from_numpy(np.stack([closer, mirrored])))
