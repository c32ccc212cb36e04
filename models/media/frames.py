"""Pictures of a film: an index made from its packets, and decoding of just the frames that are asked for."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

import av
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from models.errors import MediaError, MediaTooLargeError, SensoriumError, UnsupportedMediaError
from models.media.lengths import truncated
from models.media.limits import Limits
from models.media.sound import open_container
from models.samples import UInt8

# Some codecs keep packets that are never shown, so a stream may end a few pictures before its packets.
SHOWN_SHARE = 0.8


@dataclass(frozen=True, eq=False)
class StillFrames:
    """Frames that are in memory already, uint8 (n, H, W, 3): a FrameSource without a file."""

    pixels: UInt8

    def frames(self, numbers: list[int]) -> UInt8:
        return self.pixels[numbers]

    def each(self, numbers: list[int]) -> Iterator[UInt8]:
        return iter(self.pixels[numbers])


@dataclass(frozen=True, eq=False)
class FrameIndex:
    """`times`: when each frame is shown, int64 (n,), ascending, in ticks of the stream's time base.

    `keys`: when those are shown that need no other, ascending; MP4 and Matroska seek by these.
    """

    times: npt.NDArray[np.int64]
    keys: tuple[int, ...]

    def key_before(self, time: int) -> int | None:
        """When the last key frame is shown that is shown no later than `time`; None where there is none."""
        position = bisect_right(self.keys, time)
        return self.keys[position - 1] if position else None


def picture_stream(container: InputContainer) -> VideoStream:
    """The first video stream that is no cover picture. Raises UnsupportedMediaError."""
    streams = [s for s in container.streams.video if Disposition.attached_pic not in s.disposition]
    if not streams:
        raise UnsupportedMediaError("the file has no video stream; as a sound it is the modality audio")
    return streams[0]


def index_frames(container: InputContainer, stream: VideoStream, limits: Limits) -> FrameIndex:
    """Reads every packet and decodes none. Raises MediaTooLargeError, and MediaError for cut off data."""
    times: list[int] = []
    keys: list[int] = []
    for packet in container.demux(stream):
        if packet.is_corrupt:
            raise truncated("the video is truncated: a frame's data lies outside the file")
        shown = packet.pts if packet.pts is not None else packet.dts
        if packet.size == 0 or packet.is_discard or shown is None:
            continue
        if len(times) >= limits.frames:
            raise MediaTooLargeError(f"the video has more than the accepted {limits.frames} frames")
        times.append(shown)
        if packet.is_keyframe:
            keys.append(shown)
    return FrameIndex(np.sort(np.array(times, np.int64)), tuple(sorted(keys)))


def check_frame_size(width: int, height: int, limits: Limits) -> None:
    """Raises MediaTooLargeError."""
    if width * height > limits.frame_pixels:
        raise MediaTooLargeError(
            f"the video is {width} x {height} pixels; at most {limits.frame_pixels} a frame are accepted"
        )


def rgb(frame: av.VideoFrame, limits: Limits) -> UInt8:
    """uint8 (H, W, 3), turned as the container's display matrix says (degrees counter-clockwise)."""
    check_frame_size(frame.width, frame.height, limits)
    pixels: UInt8 = frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
    quarters = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(pixels, quarters)) if quarters else pixels


def alike(frames: Iterator[UInt8]) -> Iterator[UInt8]:
    """The frames as long as they are of one size. Raises MediaError."""
    shape = None
    for pixels in frames:
        if shape not in (None, pixels.shape):
            raise MediaError("the video changes its frame size midway")
        shape = pixels.shape
        yield pixels


@dataclass(eq=False)
class Player:
    """A film played forward, with jumps to key frames over what nobody asked for."""

    container: InputContainer
    index: FrameIndex
    limits: Limits

    def __post_init__(self) -> None:
        self.stream = picture_stream(self.container)
        self.decoded = self.container.decode(self.stream)
        self.frame: av.VideoFrame | None = None
        self.pixels = 0
        self.time = int(self.index.keys[0]) if self.index.keys else int(self.index.times[0])

    def _jump_towards(self, time: int) -> None:
        key = self.index.key_before(time)
        if key is not None and key > self.time:
            self.container.seek(key, stream=self.stream)
            self.decoded = self.container.decode(self.stream)

    def _count(self, frame: av.VideoFrame) -> None:
        self.pixels += frame.width * frame.height
        if self.pixels > self.limits.decoded_pixels:
            raise MediaTooLargeError(
                f"more than {self.limits.decoded_pixels} pixels would have to be decoded to reach the frames "
                "that are looked at; accepted are smaller or shorter videos, or such with more key frames"
            )

    def frame_at(self, time: int) -> av.VideoFrame:
        """The first frame shown at `time` or later, else the last one; `time` never goes back."""
        self._jump_towards(time)
        while self.frame is None or self.time < time:
            following = next(self.decoded, None)
            if following is None:
                break
            self._count(following)
            if following.pts is not None:
                self.frame, self.time = following, following.pts
        if self.frame is None:
            raise truncated("the video holds no picture that can be decoded")
        return self.frame


@dataclass(frozen=True, eq=False)
class EncodedFrames:
    """A FrameSource over the bytes of a film; each call decodes anew and keeps only what was asked for."""

    data: bytes
    found: str
    index: FrameIndex
    limits: Limits

    def frames(self, numbers: list[int]) -> UInt8:
        """RGB uint8 (len(numbers), H, W, 3). Raises MediaError where the stream is damaged."""
        self._check(numbers)
        wanted = sorted(set(numbers))
        kept = dict(zip(wanted, self.each(wanted), strict=True))
        return np.stack([kept[number] for number in numbers])

    def each(self, numbers: list[int]) -> Iterator[UInt8]:
        """RGB uint8 (H, W, 3) one after the other, `numbers` rising, none kept. Raises as `frames`."""
        self._check(numbers)
        try:
            yield from alike(self._decode(numbers))
        except SensoriumError:
            raise
        except Exception as error:
            raise MediaError("the video is damaged: its pictures could not be decoded") from error

    def _check(self, numbers: list[int]) -> None:
        count = len(self.index.times)
        if not numbers or min(numbers) < 0 or max(numbers) >= count:
            raise MediaError(f"the video has frames 0 to {count - 1}, not {numbers}")

    def _decode(self, numbers: list[int]) -> Iterator[UInt8]:
        with open_container(self.data, self.found) as container:
            player = Player(container, self.index, self.limits)
            for number in numbers:
                frame = player.frame_at(int(self.index.times[number]))
                reached = int(np.searchsorted(self.index.times, player.time, side="right"))
                if reached < SHOWN_SHARE * number:
                    raise truncated(f"the video breaks off: frame {number} cannot be reached")
                yield rgb(frame, self.limits)
