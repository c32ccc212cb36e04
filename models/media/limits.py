"""How much a file may claim; checked against headers, before memory is spent on the contents."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Limits:
    """Upper bounds of one piece of media.

    `pixels` of a picture, `map_pixels` of a map that is computed with in floats (depth, thermal),
    `frame_pixels` of one video frame, `frames` of a video, `decoded_pixels` of the frames that have to be
    decoded to reach those that a model looks at, `audio_s` and `video_s` seconds of a recording,
    `samples` (of all channels) and `channels` of a sound, `values` of an array or a table,
    `rows` of a table, `text_bytes` of a UTF-8 text.
    """

    pixels: int = 50_000_000
    map_pixels: int = 16_777_216
    frame_pixels: int = 36_000_000
    frames: int = 200_000
    decoded_pixels: int = 8_000_000_000
    audio_s: float = 3600.0
    video_s: float = 3600.0
    samples: int = 400_000_000
    channels: int = 32
    values: int = 20_000_000
    rows: int = 2_000_000
    text_bytes: int = 1_000_000

    def of_maps(self) -> Limits:
        """The same, with what a map may have for pictures and arrays as a whole."""
        most = min(self.pixels, self.map_pixels)
        return replace(self, pixels=most, values=min(self.values, most))


DEFAULT_LIMITS = Limits()
