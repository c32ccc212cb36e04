"""Strips: pictures whose long side would grow beyond memory when the short one is scaled up.

1 x 10 000 000 pixels are few, but at short side 224 they are 224 x 2 240 000 000.
"""

from __future__ import annotations

from models.samples import UInt8

LONGEST = 64  # times the short side


def shortened(pixels: UInt8) -> UInt8:
    """Pixels (H, W, 3), cut to the middle where one side is more than 64 times the other."""
    height, width = pixels.shape[:2]
    keep = LONGEST * min(height, width)
    top, left = max(height - keep, 0) // 2, max(width - keep, 0) // 2
    return pixels[top : top + keep, left : left + keep]
