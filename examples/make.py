"""Make the three examples that no camera took: a depth map, a thermal picture and a walk.

`python examples/make.py` writes them beside this file. They are drawn and computed, not recorded.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

HERE = Path(__file__).parent
RATE_HZ = 50
GRAVITY = 9.80665  # m/s2


def kitchen() -> Image.Image:
    """A room 4 m deep with a table in it, as a 16-bit depth map in millimetres."""
    rows, columns = np.mgrid[0:240, 0:320]
    down, right = (rows - 120) / 260, (columns - 160) / 260
    with np.errstate(divide="ignore"):
        floor = np.where(down > 0, 1.4 / down, np.inf)
        ceiling = np.where(down < 0, -1.2 / down, np.inf)
        walls = 1.9 / np.abs(right)
    metres = np.minimum.reduce([floor, ceiling, walls, np.full(rows.shape, 4.0)])
    table = (rows > 150) & (rows < 175) & (columns > 90) & (columns < 230)
    metres[table] = 0.75 / down[table]
    for left in (95, 220):
        metres[175:215, left : left + 6] = 2.1
    return Image.fromarray((metres * 1000).astype(np.uint16))


def person() -> Image.Image:
    """A warm figure before a cold wall, 8-bit grey."""
    picture = Image.new("L", (160, 200), 45)
    draw = ImageDraw.Draw(picture)
    draw.ellipse((66, 22, 94, 56), fill=235)
    draw.rounded_rectangle((54, 58, 106, 120), 16, fill=190)
    for left in (40, 108):
        draw.rounded_rectangle((left, 62, left + 12, 118), 6, fill=180)
    for left in (58, 84):
        draw.rounded_rectangle((left, 116, left + 17, 188), 7, fill=165)
    return picture.filter(ImageFilter.GaussianBlur(2.5))


def walk() -> np.ndarray:
    """Twelve seconds of two steps a second at the waist, upright: (600, 7) with the time in front."""
    random = np.random.default_rng(7)
    time = np.arange(12 * RATE_HZ) / RATE_HZ
    step = 2 * np.pi * 2.0 * time
    stride = step / 2
    accel = np.stack(
        [
            0.9 * np.sin(stride),
            -GRAVITY + 2.6 * np.cos(step) + 0.9 * np.cos(2 * step + 0.5),
            1.5 * np.sin(step + 0.8),
        ],
        axis=1,
    )
    gyro = np.stack(
        [0.35 * np.sin(step), 0.5 * np.sin(stride + 0.4), 0.3 * np.cos(stride)],
        axis=1,
    )
    noise = random.normal(0, [0.25] * 3 + [0.05] * 3, (len(time), 6))
    return np.column_stack([time, np.hstack([accel, gyro]) + noise])


def main() -> None:
    kitchen().save(HERE / "room-depth.png")
    person().save(HERE / "person-thermal.png")
    header = "time,accel_x,accel_y,accel_z,gyro_x,gyro_y,gyro_z"
    np.savetxt(HERE / "walking.csv", walk(), "%.4f", ",", header=header, comments="")


if __name__ == "__main__":
    main()
