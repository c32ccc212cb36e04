"""Recordings of a minute with something in one known part of them."""

import io

import av
import numpy as np

from models.segments import Span
from tests import media_files as files

RATE = 16_000
TONE = Span(30.0, 40.0)
STRIPES = Span(20.0, 30.0)


def hiss(seconds, seed=0, level=0.1):
    noise = np.random.default_rng(seed).normal(size=round(seconds * RATE))
    return (level * noise).astype(np.float32)


def long_sound():
    """60 s of hiss, with a tone of 440 Hz in TONE."""
    samples = hiss(60)
    start, end = round(TONE.start_s * RATE), round(TONE.end_s * RATE)
    samples[start:end] = files.tone(TONE.end_s - TONE.start_s)[:, 0]
    return samples


def stripes(turn=0):
    pixels = np.zeros((48, 64, 3), np.uint8)
    pixels[:, (np.arange(64) + turn) // 4 % 2 == 0] = (250, 240, 20)
    return pixels


def film(seconds=60, fps=4, key_every=250, size=(64, 48)):
    """A green film without a sound, with yellow stripes in STRIPES."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.gop_size = key_every
        for number in range(seconds * fps):
            striped = STRIPES.start_s <= number / fps < STRIPES.end_s
            pixels = stripes(number) if striped else np.full((48, 64, 3), (20, 90, 40), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def walk_then_turn():
    """60 s at 50 Hz: at rest, but quick turns between 40 and 50 s."""
    values = np.zeros((3000, 6))
    values[:, 2] = 9.81
    times = np.arange(500) / 50
    values[2000:2500, 5] = 4 * np.sin(2 * np.pi * 2 * times)
    values[2000:2500, 0] = 3 * np.sin(2 * np.pi * 4 * times)
    return values
