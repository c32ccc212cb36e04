"""Depth and thermal pictures: one channel, views (1, 1, 224, 224).

The reference has no loader for either. Thermal is the grey value in [0, 1], as its users report.
For depth they report disparity = baseline * fx / depth, clamped, divided by 75, with the statistics
below (facebookresearch/ImageBind, threads 14, 69 and 122).
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from models.embedder import Views
from models.imagebind.sizes import IMAGE_SIDE
from models.samples import DepthSample, Float32, ThermalSample

# Kinect v1, the first camera of SUN RGB-D (Song et al. 2015): focal length [px], baseline [m].
KINECT_FX = 518.9
KINECT_BASELINE = 0.075
# SUN RGB-D's 16-bit files hold millimetres rotated left by 3 bits. The published mean and deviation
# fit disparities of depths that were read without rotating back, so eight times too large.
DEPTH_READ_TOO_LARGE = 8
NEAREST_M, FARTHEST_M = 0.01, 50.0  # of a depth as read
MAX_DISPARITY = 75.0  # pixels; becomes 1
DISPARITY_MEAN, DISPARITY_STD = 0.0418, 0.0295


def _square(values: Float32) -> torch.Tensor:
    """The middle square of a picture (H, W) as (1, 1, 224, 224), bilinear; the same at that size."""
    side = min(values.shape)
    top, left = ((length - side) // 2 for length in values.shape)
    square = torch.from_numpy(np.ascontiguousarray(values[top : top + side, left : left + side]))
    size = (IMAGE_SIDE, IMAGE_SIDE)
    if square.shape == size:
        return square[None, None]
    return functional.interpolate(square[None, None], size, mode="bilinear", antialias=True)


def prepare_thermal(sample: ThermalSample) -> Views:
    """The middle square of the values in [0, 1]."""
    return Views(_square(sample.values), sample.notes)


def disparity(sample: DepthSample) -> Float32:
    """float32 (H, W) in [0, 1]; relative depth is taken for metres seen by a Kinect."""
    fx = KINECT_FX if sample.fx is None else sample.fx
    baseline = KINECT_BASELINE if sample.baseline is None else sample.baseline
    read = np.clip(sample.metres * DEPTH_READ_TOO_LARGE, NEAREST_M, FARTHEST_M)
    pixels = np.minimum(baseline * fx / read, MAX_DISPARITY)
    values: Float32 = np.where(sample.metres > 0, pixels / MAX_DISPARITY, 0).astype(np.float32)
    return values


def prepare_depth(sample: DepthSample) -> Views:
    """The middle square of the standardised disparity; a pixel without a reading counts as infinitely far."""
    notes = ("relative depth: its scale is a guess",) if sample.relative else ()
    scaled = _square(disparity(sample))
    return Views((scaled - DISPARITY_MEAN) / DISPARITY_STD, notes)
