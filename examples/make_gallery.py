"""Make what no camera took of the gallery: rendered scenes with their depth, a short film, movements.

`python examples/make_gallery.py` writes them into service/gallery/media. They are drawn and computed, not
recorded; the scenes are those of training/rendered, of a seed that no training draws from.
"""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from training.rendered.camera import looking
from training.rendered.light import Film, develop, shade
from training.rendered.scenes import VAL_SEED, scene
from training.rendered.stage import Stage
from training.rendered.streets import figure, street
from training.rendered.trace import look

MEDIA = Path(__file__).parent.parent / "service" / "gallery" / "media"
SIDE = 256
RATE_HZ = 50
SECONDS = 6
GRAVITY = 9.80665  # m/s2
SCENES = {"bedroom": 2, "chairs": 22, "still-life": 20, "animals": 1}
FILM_SIDE, FILM_FPS, FILM_FRAMES = 192, 12, 60


def save_scene(name: str, number: int) -> None:
    """A picture as WebP, and its depth as a 16-bit PNG in millimetres."""
    found = scene(number, VAL_SEED, (), SIDE, SIDE)
    Image.fromarray(found.pixels).save(MEDIA / f"{name}.webp", quality=82)
    millimetres = np.clip(np.round(found.metres * 1000), 0, 65_534).astype(np.uint16)
    Image.fromarray(millimetres).save(MEDIA / f"{name}-depth.png", optimize=True)


def frame(stage: Stage, turn: float) -> np.ndarray:
    """The stage from a camera that has moved by `turn` [rad] around the middle of what it saw."""
    place, axes = stage.camera.pose.place, stage.camera.pose.turn
    goal = place + axes[:, 2] * 6
    offset = place - goal
    cosine, sine = math.cos(turn), math.sin(turn)
    moved = np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]]) @ offset
    camera = looking(goal + moved, goal, stage.camera.view)
    things = [*stage.scenery, *(thing for part in stage.parts for thing in part.things)]
    rays, _ = look(things, camera, FILM_SIDE, FILM_SIDE)
    linear = shade(rays, things, stage.lights, stage.air)
    film = Film(0.5, (1.0, 1.0, 1.0), 0.0)
    pixels = develop(linear, rays.which >= 0, film, np.random.default_rng(0))
    return pixels.reshape(FILM_SIDE, FILM_SIDE, 3)


def save_film(name: str, stage: Stage) -> None:
    """A camera that swings around, as WebM."""
    with av.open(str(MEDIA / f"{name}.webm"), "w") as file:
        stream = file.add_stream("libvpx-vp9", rate=FILM_FPS)
        stream.width = stream.height = FILM_SIDE
        stream.pix_fmt = "yuv420p"
        stream.time_base = Fraction(1, FILM_FPS)
        stream.options = {"crf": "34", "b": "0"}
        for number in range(FILM_FRAMES):
            turn = 0.5 * math.sin(2 * math.pi * number / FILM_FRAMES)
            for packet in stream.encode(av.VideoFrame.from_ndarray(frame(stage, turn), "rgb24")):
                file.mux(packet)
        file.mux(stream.encode())


def gait(steps_hz: float, bounce: float, sway: float, spin: float, seed: int) -> np.ndarray:
    """Movement at the waist, upright: (samples, 7) with the time in front, m/s2 and rad/s."""
    random = np.random.default_rng(seed)
    time = np.arange(SECONDS * RATE_HZ) / RATE_HZ
    step = 2 * np.pi * steps_hz * time
    stride = step / 2
    impact = bounce * (np.cos(step) + 0.4 * np.cos(2 * step + 0.5) + 0.15 * np.cos(3 * step + 1.1))
    accel = np.stack([sway * np.sin(stride), impact - GRAVITY, 0.6 * bounce * np.sin(step + 0.8)], axis=1)
    gyro = spin * np.stack([0.7 * np.sin(step), np.sin(stride + 0.4), 0.6 * np.cos(stride)], axis=1)
    noise = random.normal(0, [0.08 + 0.05 * bounce] * 3 + [0.02 + 0.06 * spin] * 3, (len(time), 6))
    return np.column_stack([time, np.hstack([accel, gyro]) + noise])


def jumps() -> np.ndarray:
    """Falls of half a second with weightlessness, each ended by a landing."""
    values = gait(0.8, 0.0, 0.1, 0.2, 5)
    phase = (values[:, 0] * 0.8) % 1
    values[:, 2] += np.where((phase > 0.35) & (phase < 0.7), GRAVITY * 0.95, 0)
    values[:, 2] -= 24 * np.exp(-(((phase - 0.75) / 0.035) ** 2)) + 9 * np.exp(
        -(((phase - 0.28) / 0.05) ** 2)
    )
    return values


def movements() -> dict[str, np.ndarray]:
    lying = gait(0.25, 0.02, 0.02, 0.01, 4)
    lying[:, [2, 3]] = lying[:, [3, 2]]  # the waist turned from upright to flat
    return {
        "walking": gait(1.9, 2.4, 0.9, 0.5, 1),
        "running": gait(2.8, 8.5, 2.4, 1.4, 2),
        "standing": gait(0.25, 0.02, 0.02, 0.01, 3),
        "lying": lying,
        "jumping": jumps(),
    }


def main() -> None:
    for name, number in SCENES.items():
        save_scene(name, number)
    save_film("giraffes-film", figure(np.random.default_rng(4)))
    save_film("street-film", street(np.random.default_rng(4)))
    header = "time,accel_x,accel_y,accel_z,gyro_x,gyro_y,gyro_z"
    for name, values in movements().items():
        np.savetxt(MEDIA / f"{name}.csv", values, "%.3f", ",", header=header, comments="")


if __name__ == "__main__":
    main()
