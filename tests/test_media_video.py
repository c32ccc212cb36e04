"""Films: bytes -> VideoSample with frames on demand."""

import io
import struct
from pathlib import Path

import av
import numpy as np
import pytest

from models.errors import MediaError, MediaTooLargeError, UnsupportedMediaError
from models.media.limits import Limits
from models.modalities import decode
from tests import media_files as make

REFERENCE = Path(__file__).parent / "parity" / "inputs_video.npz"
CONTAINERS = ["mp4", "mov", "webm", "matroska"]


def all_frames(data):
    """Every picture in order, decoded by PyAV from the start."""
    with av.open(io.BytesIO(data)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


@pytest.mark.parametrize("name", ["wide", "tall"])
def test_reference_films_agree_with_decord_bit_for_bit(name):
    """Frame count, rate, duration and the pixels of every used frame equal what decord reports."""
    arrays = np.load(REFERENCE)
    sample = decode("video", arrays[f"{name}/mp4"].tobytes())
    assert sample.frame_count == arrays[f"{name}/frame_count"]
    assert sample.fps == arrays[f"{name}/fps"]
    assert sample.duration_s == pytest.approx(float(arrays[f"{name}/duration"]))
    numbers = arrays[f"{name}/frames_number"].tolist()
    assert np.array_equal(sample.frames(numbers), arrays[f"{name}/frames_rgb"])


@pytest.mark.parametrize("container", CONTAINERS)
def test_every_container_gives_count_rate_and_times(container):
    """12 frames at 24/s are counted without decoding, and their times rise by 1/24 s from 0."""
    sample = decode("video", make.video_bytes(container))
    assert sample.frame_count == 12
    assert sample.fps == pytest.approx(24, rel=1e-3)
    assert np.allclose(sample.timestamps, np.arange(12) / 24, atol=2e-3)
    assert sample.audio is None


@pytest.mark.parametrize("container", ["mp4", "webm"])
@pytest.mark.parametrize("key_every", [250, 7, 1])
def test_jumping_to_key_frames_changes_no_pixel(container, key_every):
    """Whichever frames are asked for, in any order and twice, they equal those of a whole decode."""
    data = make.video_bytes(container, frames=40, key_every=key_every)
    everything, sample = all_frames(data), decode("video", data)
    for numbers in ([0], [39], [30, 2, 2], [5, 6, 7, 8], [20, 21, 35], list(range(40))):
        assert np.array_equal(sample.frames(numbers), everything[numbers])


@pytest.mark.parametrize("numbers", [[], [-1], [12], [0, 99]])
def test_frames_that_do_not_exist_are_refused(numbers):
    """Asking for a frame outside the film is an error that names the range."""
    with pytest.raises(MediaError, match="0 to 11"):
        decode("video", make.mp4()).frames(numbers)


@pytest.mark.parametrize("container", ["mp4", "webm"])
def test_the_sound_track_comes_along(container):
    """A film's sound is decoded as any other sound."""
    sample = decode("video", make.video_bytes(container, sound_s=0.5))
    assert sample.audio.duration_s == pytest.approx(0.5, abs=0.01)
    assert np.abs(sample.audio.waveform).max() == pytest.approx(0.5, abs=0.1)


def test_the_sound_track_waits_until_it_is_wanted(monkeypatch):
    """Models that look at pictures alone do not pay for the sound; who asks twice gets it decoded once."""
    sample = decode("video", make.video_bytes("mp4", sound_s=0.5))
    assert "audio" not in vars(sample)
    assert sample.audio is sample.audio
    assert sample.audio.waveform.size > 0


def test_a_sound_track_that_is_too_short_counts_as_none():
    """10 ms of sound beside good pictures are no reason to refuse the film."""
    sample = decode("video", make.video_bytes("matroska", sound_s=0.005))
    assert sample.frame_count == 12
    assert sample.audio is None or sample.audio.waveform.size >= 400


def turned(data):
    """The same film with the display matrix of a phone that was held upright (90 degrees clockwise)."""
    upright = struct.pack(">9i", 65_536, 0, 0, 0, 65_536, 0, 0, 0, 1 << 30)
    clockwise = struct.pack(">9i", 0, 65_536, 0, -65_536, 0, 0, 0, 0, 1 << 30)
    place = data.index(upright, data.index(b"tkhd"))
    return data[:place] + clockwise + data[place + 36 :]


def test_a_phones_rotation_is_applied():
    """A film that is marked as turned comes out upright."""
    data = make.mp4()
    expected = np.rot90(decode("video", data).frames([5]), -1, axes=(1, 2))
    assert np.array_equal(decode("video", turned(data)).frames([5]), expected)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("share", [0.3, 0.7, 0.99])
def test_a_cut_off_film_is_truncated_media(container, share):
    """Whatever part is missing at the end, decoding already says truncated."""
    data = make.video_bytes(container)
    with pytest.raises(MediaError) as caught:
        decode("video", data[: int(len(data) * share)])
    assert caught.value.code == "truncated_media"


def remuxed(data, path, flags):
    """The same pictures in an MP4 of another layout."""
    with av.open(io.BytesIO(data)) as source, av.open(str(path), "w", options={"movflags": flags}) as target:
        pictures = source.streams.video[0]
        stream = target.add_stream_from_template(pictures)
        for packet in source.demux(pictures):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    return path.read_bytes()


@pytest.mark.parametrize("flags", ["faststart", "frag_keyframe+empty_moov"])
def test_a_film_with_its_index_in_front_is_still_found_cut_off(flags, tmp_path):
    """The index is whole and the pictures are not: an error at decode time, not half a film."""
    original = make.mp4()
    data = remuxed(original, tmp_path / "film.mp4", flags)
    assert data.index(b"moov") < data.index(b"mdat")
    assert np.array_equal(decode("video", data).frames([0, 11]), all_frames(original)[[0, 11]])
    with pytest.raises(MediaError) as caught:
        decode("video", data[: data.index(b"mdat") + 500])
    assert caught.value.code == "truncated_media"


def test_missing_pictures_are_an_error_when_they_are_wanted():
    """Where the second half of the pictures is overwritten, the last frame is refused and not invented."""
    data = bytearray(make.mp4(frames=24))
    start = data.index(b"mdat") + 4
    size = int.from_bytes(data[start - 8 : start - 4], "big") - 8
    data[start + size // 8 : start + size] = bytes(size - size // 8)
    with pytest.raises(MediaError):
        decode("video", bytes(data)).frames([23])


@pytest.mark.parametrize(
    "limits", [Limits(frames=11), Limits(video_s=0.2), Limits(frame_pixels=64 * 48 - 1)], ids=repr
)
def test_limits_are_enforced_before_pictures_are_decoded(limits):
    """Too many frames, seconds or pixels are refused."""
    with pytest.raises(MediaTooLargeError):
        decode("video", make.mp4(), limits=limits)


@pytest.mark.parametrize(
    "data",
    [make.png(), make.picture_bytes(make.gradient(), "GIF"), make.wav(), make.m4a(), make.noise()],
    ids=["png", "gif", "wav", "m4a", "noise"],
)
def test_what_is_no_film_is_unsupported(data):
    """Pictures, sounds and noise are refused as videos."""
    with pytest.raises(UnsupportedMediaError):
        decode("video", data)


def test_clips_are_handed_on():
    """The number of clips travels with the sample."""
    assert decode("video", make.mp4(), clips=3).clips == 3
