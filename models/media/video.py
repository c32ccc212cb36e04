"""Films -> VideoSample: the index of frames now, pictures and sound when a model asks for them."""

from functools import partial

import av
import numpy as np

from models.errors import MediaError, MediaTooLargeError
from models.media import formats
from models.media.audio import decode_audio
from models.media.frames import EncodedFrames, check_frame_size, index_frames, picture_stream
from models.media.lengths import refuse_truncated
from models.media.limits import Limits
from models.media.sound import open_container
from models.samples import AudioSample, VideoSample

WANTED = "MP4, MOV, WebM and MKV videos"


def _check_duration(seconds: float, limits: Limits) -> None:
    if seconds > limits.video_s:
        raise MediaTooLargeError(
            f"the video lasts {seconds:.0f} s; at most {limits.video_s:g} s are accepted"
        )


def _sound_track(data: bytes, limits: Limits) -> AudioSample | None:
    try:
        return decode_audio(data, limits)
    except Exception:  # noqa: BLE001 - whatever is wrong with the sound, the pictures are good
        return None


def decode_video(data: bytes, limits: Limits, *, clips: int | None = None) -> VideoSample:
    """Frame count, average rate and times of a film, read without decoding it.

    The first frame is decoded as a check. Raises UnsupportedMediaError, MediaTooLargeError (frame size,
    seconds, frames) and MediaError (code `truncated_media` where the file ends too early).
    """
    found = formats.expect(data, (formats.MP4, formats.MATROSKA), WANTED)
    refuse_truncated(data, found)
    with open_container(data, found) as container:
        stream = picture_stream(container)
        check_frame_size(stream.width, stream.height, limits)
        _check_duration((container.duration or 0) / av.time_base, limits)
        index = index_frames(container, stream, limits)
        if not index.times.size:
            raise MediaError("the video has no frames", code="empty_media")
        seconds = (index.times - index.times[0]) * float(stream.time_base or 0)
        fps = float(stream.average_rate or stream.guessed_rate or 0)
        has_sound = bool(container.streams.audio)
    _check_duration(float(seconds[-1]), limits)
    source = EncodedFrames(data, found, index, limits)
    source.frames([0])
    sound = partial(_sound_track, data, limits) if has_sound else None
    count = len(seconds)
    return VideoSample(
        source, count, fps or count / max(float(seconds[-1]), 1.0), seconds.astype(np.float32), sound, clips
    )
