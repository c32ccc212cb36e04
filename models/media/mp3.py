"""MP3 files that are as they should be, decoded by libav in a few calls.

PyAV decodes frame by frame, and at each of the 200 frames of five seconds a thread lets go of Python's lock
and waits for it: beside a busy encoder this takes several times as long as the decoding. A filter that reads
a file by itself gives the same samples without, but passes over what is damaged; so what it is given and what
it gives are counted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import av
import numpy as np
from av.filter import Graph, filters_available

from models.media.mp3_frames import between_tags, count_frames, kind_of, samples_in
from models.samples import Float32

# Linux gives memory a name, by which the filter finds it.
READS_MEMORY = hasattr(os, "memfd_create") and "amovie" in filters_available
MEMORY = "sound"
BLOCK_SAMPLES = 65_536
# Numbers of a sound that is decoded at once, 32 MB: three minutes in mono at 44.1 kHz.
MOST_VALUES = 2**23
# Frames of which a tag takes the first and an encoder has filled up others.
MOST_FILLED = 16


@contextmanager
def _named(data: bytes) -> Iterator[str]:
    """The name of a file that holds `data` and lies in memory."""
    with open(os.memfd_create(MEMORY), "wb") as file:  # noqa: PTH123 - it has no path yet
        file.write(data)
        file.flush()
        yield f"/proc/self/fd/{file.fileno()}"


def _frames_of(name: str) -> Iterator[av.AudioFrame]:
    """The sound in the MP3 file `name` in frames of BLOCK_SAMPLES, float32, channels side by side."""
    graph = Graph()
    graph.threads = 1  # libav would begin one for each processor, and none has anything to do
    graph.link_nodes(
        graph.add("amovie", f"filename={name}:format_name=mp3"),
        graph.add("aformat", "sample_fmts=flt"),
        graph.add("asetnsamples", f"n={BLOCK_SAMPLES}:p=0"),
        graph.add("abuffersink"),
    ).configure()
    with suppress(av.EOFError):
        while True:
            frame = graph.pull()
            assert isinstance(frame, av.AudioFrame)
            yield frame


@dataclass(frozen=True)
class PlainMP3:
    """`data`: nothing but whole frames of one kind, which give `samples` per channel at `rate` [Hz]."""

    data: bytes
    rate: int
    channels: int
    samples: int

    def blocks(self) -> list[Float32] | None:
        """float32 (some, channels), all together `samples`; None where frames are damaged inside."""
        blocks, count = list[Float32](), 0
        try:
            with _named(self.data) as name:
                for frame in _frames_of(name):
                    if (frame.sample_rate, frame.layout.nb_channels) != (self.rate, self.channels):
                        return None
                    blocks.append(np.asarray(frame.to_ndarray(), np.float32).reshape(-1, self.channels))
                    count += len(blocks[-1])
        except (OSError, av.FFmpegError):
            return None
        return blocks if count == self.samples else None


def plain_mp3(data: bytes) -> PlainMP3 | None:
    """The file without its tags; None where anything about it is unusual, or it is long."""
    start, end = between_tags(data)
    kind = kind_of(data[start : start + 4]) if READS_MEMORY else None
    if kind is None:
        return None
    most = MOST_VALUES // kind.channels
    frames = count_frames(data, start, end, kind, most // kind.samples + MOST_FILLED)
    if not frames:
        return None
    data = data[start:end]
    samples = samples_in(data, kind, frames)
    if samples is None or not 0 < samples <= most:
        return None
    return PlainMP3(data, kind.rate, kind.channels, samples)
