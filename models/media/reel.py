"""A film for a reader that only goes forward: opened once, and of a long one mostly its key frames.

To reach any other frame a decoder has to go through all from the key frame before it: of a film of an hour
that is nearly the whole film, for some hundred pictures.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from models.errors import MediaError, SensoriumError
from models.media.frames import SHOWN_SHARE, EncodedFrames, Player, alike, rgb
from models.media.lengths import truncated
from models.media.sound import open_container

if TYPE_CHECKING:
    from models.samples import FrameSource, UInt8

# As many pixels may be decoded, evenly over the film, to show just the frames that were asked for.
EXACT_PIXELS = 2_000_000_000
# The most that are decoded, key frames included.
MOST_PIXELS = 2 * EXACT_PIXELS


class Forward(Protocol):
    """Frames of one stretch after the other, none of which begins before the last one."""

    def stretch(self, numbers: list[int], first: int, last: int) -> Iterator[UInt8]:
        """RGB uint8 (H, W, 3) of rising frame numbers in `first` to `last`, or of frames near them there."""
        ...


@dataclass(frozen=True, eq=False)
class Known:
    """A FrameSource that has no cost of its own."""

    source: FrameSource

    def stretch(self, numbers: list[int], first: int, last: int) -> Iterator[UInt8]:  # noqa: ARG002 - Forward
        return self.source.each(numbers)


class Reel:
    """A film's frames; where those that are asked for would cost too much, key frames near them."""

    def __init__(self, film: EncodedFrames, player: Player, exact_pixels: int = EXACT_PIXELS) -> None:
        self._times = film.index.times
        self._keys = film.index.keys
        self._key_before = film.index.key_before
        self._limits = film.limits
        self._player = player
        self._exact_pixels = exact_pixels

    def stretch(self, numbers: list[int], first: int, last: int) -> Iterator[UInt8]:
        """As Forward. Raises MediaError where the stream is damaged or breaks off."""
        try:
            yield from alike(self._frames(numbers, first, last))
        except SensoriumError:
            raise
        except Exception as error:
            raise MediaError("the video is damaged: its pictures could not be decoded") from error

    def _frames(self, numbers: list[int], first: int, last: int) -> Iterator[UInt8]:
        for number in numbers:
            frame = self._player.frame_at(self._time_for(number, first, last))
            reached = int(np.searchsorted(self._times, self._player.time, side="right"))
            if reached < SHOWN_SHARE * first:
                raise truncated(f"the video breaks off: frame {number} cannot be reached")
            yield rgb(frame, self._limits)

    def _time_for(self, number: int, first: int, last: int) -> int:
        """When the frame is shown, or one near it that costs less."""
        wanted, reached = int(self._times[number]), self._player.time
        if wanted <= reached or self._is_affordable(number, wanted, reached):
            return wanted
        earliest, latest = max(int(self._times[first]), reached), int(self._times[last])
        keys = self._keys[bisect_left(self._keys, earliest) : bisect_left(self._keys, latest + 1)]
        if keys:
            return min(keys, key=lambda key: abs(key - wanted))
        return reached if reached >= int(self._times[first]) else wanted

    def _is_affordable(self, number: int, wanted: int, reached: int) -> bool:
        key = self._key_before(wanted)
        start = reached if key is None else max(key, reached)
        frames = number + 1 - int(np.searchsorted(self._times, start))
        stream = self._player.stream
        spent = self._player.pixels + frames * stream.width * stream.height
        return spent <= self._exact_pixels * (number + 1) / len(self._times)


@contextmanager
def _opened(film: EncodedFrames) -> Iterator[Reel]:
    limits = replace(film.limits, decoded_pixels=min(film.limits.decoded_pixels, MOST_PIXELS))
    with open_container(film.data, film.found) as container:
        yield Reel(film, Player(container, film.index, limits))


def forward(source: FrameSource) -> AbstractContextManager[Forward]:
    """The frames of a source, open while inside."""
    return _opened(source) if isinstance(source, EncodedFrames) else nullcontext(Known(source))
