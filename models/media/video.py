"""Films -> VideoSample: the index of frames now, the pictures when a model asks for them."""

from collections.abc import Iterator
from dataclasses import dataclass

import av
import numpy as np
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from models.errors import MediaError, MediaTooLargeError, SensoriumError, UnsupportedMediaError
from models.media import formats
from models.media.audio import decode_audio
from models.media.lengths import refuse_truncated, truncated
from models.media.limits import Limits
from models.media.sound import open_container
from models.samples import AudioSample, UInt8, VideoSample

WANTED = "MP4, MOV, WebM and MKV videos"
# Some codecs keep packets that are never shown, so a stream may hold a few pictures less than packets.
SHOWN_SHARE = 0.8


@dataclass(frozen=True, eq=False)
class StillFrames:
    """Frames that are in memory already, uint8 (n, H, W, 3): a FrameSource without a file."""

    pixels: UInt8

    def frames(self, numbers: list[int]) -> UInt8:
        return self.pixels[numbers]


@dataclass(frozen=True, eq=False)
class EncodedFrames:
    """A FrameSource over the bytes of a film; each call decodes from the start, one picture at a time."""

    data: bytes
    container: str
    frame_count: int
    limits: Limits

    def frames(self, numbers: list[int]) -> UInt8:
        """RGB uint8 (len(numbers), H, W, 3). Raises MediaError where the stream is damaged."""
        if not numbers or not 0 <= min(numbers) <= max(numbers) < self.frame_count:
            raise MediaError(f"frames {numbers} are not within 0..{self.frame_count - 1}")
        try:
            kept = self._decode(set(numbers))
        except SensoriumError:
            raise
        except Exception as error:
            raise MediaError("the video is damaged: its pictures could not be decoded") from error
        return np.stack([kept[number] for number in numbers])

    def _decode(self, wanted: set[int]) -> dict[int, UInt8]:
        kept: dict[int, UInt8] = {}
        last, count = max(wanted), 0
        with open_container(self.data, self.container) as container:
            frame = None
            for frame in container.decode(_pictures(container)):
                if count in wanted:
                    kept[count] = _rgb(frame, self.limits)
                count += 1
                if count > last:
                    return kept
            if frame is None or count < SHOWN_SHARE * self.frame_count:
                raise truncated(f"the video breaks off: {count} of {self.frame_count} frames are there")
            ending = _rgb(frame, self.limits)
        return kept | dict.fromkeys(wanted - kept.keys(), ending)


def _rgb(frame: av.VideoFrame, limits: Limits) -> UInt8:
    """uint8 (H, W, 3), turned as the container's display matrix says (degrees counter-clockwise)."""
    _check_frame_size(frame.width, frame.height, limits)
    pixels: UInt8 = frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
    quarters = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(pixels, quarters)) if quarters else pixels


def _pictures(container: InputContainer) -> VideoStream:
    """The first video stream that is no cover picture."""
    streams = [s for s in container.streams.video if Disposition.attached_pic not in s.disposition]
    if not streams:
        raise UnsupportedMediaError(f"the file has no video stream; accepted are {WANTED}")
    return streams[0]


def _check_frame_size(width: int, height: int, limits: Limits) -> None:
    if width * height > limits.frame_pixels:
        raise MediaTooLargeError(
            f"the video is {width} x {height} pixels; at most {limits.frame_pixels} a frame are accepted"
        )


def _check_duration(seconds: float, limits: Limits) -> None:
    if seconds > limits.video_s:
        raise MediaTooLargeError(
            f"the video lasts {seconds:.0f} s; at most {limits.video_s:g} s are accepted"
        )


def _shown_packets(container: InputContainer, stream: VideoStream, limits: Limits) -> Iterator[int]:
    """Presentation times, in units of the stream's time base, of the packets that become pictures."""
    count = 0
    for packet in container.demux(stream):
        if packet.is_corrupt:
            raise truncated("the video is truncated: a frame's data lies outside the file")
        if packet.size == 0 or packet.is_discard:
            continue
        count += 1
        if count > limits.frames:
            raise MediaTooLargeError(f"the video has more than the accepted {limits.frames} frames")
        yield next((time for time in (packet.pts, packet.dts) if time is not None), count)


def _sound_track(data: bytes, limits: Limits) -> AudioSample | None:
    try:
        return decode_audio(data, limits)
    except Exception:  # noqa: BLE001 - whatever is wrong with the sound, the pictures are good
        return None


def decode_video(data: bytes, limits: Limits, *, clips: int | None = None) -> VideoSample:
    """Frame count, average rate and times of a film, read without decoding it; its sound track, decoded.

    The first frame is decoded as a check. Raises UnsupportedMediaError, MediaTooLargeError (frame size,
    seconds, frames) and MediaError (code `truncated_media` where the file ends too early).
    """
    found = formats.expect(data, (formats.MP4, formats.MATROSKA), WANTED)
    refuse_truncated(data, found)
    with open_container(data, found) as container:
        stream = _pictures(container)
        _check_frame_size(stream.width, stream.height, limits)
        _check_duration((container.duration or 0) / av.time_base, limits)
        times = np.sort(np.array(list(_shown_packets(container, stream, limits)), np.int64))
        if not times.size:
            raise MediaError("the video has no frames", code="empty_media")
        timestamps = (times - times[0]) * float(stream.time_base or 0)
        fps = float(stream.average_rate or 0) or len(times) / max(float(timestamps[-1]), 1e-3)
        has_sound = bool(container.streams.audio)
    _check_duration(float(timestamps[-1]), limits)
    source = EncodedFrames(data, found, len(times), limits)
    source.frames([0])
    sound = _sound_track(data, limits) if has_sound else None
    return VideoSample(source, len(times), fps, timestamps.astype(np.float32), sound, clips)
