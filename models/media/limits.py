"""How much a file may claim; checked against headers, before memory is spent on the contents."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Upper bounds of one piece of media.

    `pixels` of a picture, `frame_pixels` of one video frame, `frames` of a video, `audio_s` and
    `video_s` seconds of a recording, `channels` of a sound, `values` of an array or a table,
    `text_bytes` of a UTF-8 text.
    """

    pixels: int = 50_000_000
    frame_pixels: int = 36_000_000
    frames: int = 200_000
    audio_s: float = 3600.0
    video_s: float = 3600.0
    channels: int = 32
    values: int = 20_000_000
    text_bytes: int = 1_000_000


DEFAULT_LIMITS = Limits()
