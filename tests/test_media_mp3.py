"""MP3 in one go: the samples that libav gives frame by frame, and whatever is unusual left to it."""

import io
import random
from contextlib import suppress
from pathlib import Path

import av
import numpy as np
import pytest

from models.errors import SensoriumError
from models.media import mp3
from models.media.mp3 import plain_mp3
from models.media.mp3_frames import count_frames, frame_lengths
from models.modalities import decode
from tests import media_files as make

RATES = [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000]
plainly = pytest.mark.skipif(not mp3.READS_MEMORY, reason="memory has no names here")
ID3 = b"ID3\x04\x00\x00\x00\x00\x02\x01" + bytes(257)
ID3_1 = b"TAG" + bytes(125)


def frame_by_frame(data):
    """Float32 (samples, channels), as libav decodes it."""
    with av.open(io.BytesIO(data), format="mp3") as container:
        frames = [frame.to_ndarray() for frame in container.decode(container.streams.audio[0])]
    return np.concatenate(frames, axis=1).T


def untagged(rate=44_100, channels=1):
    """An MP3 without the frame that tells its length."""
    layout = "mono" if channels == 1 else "stereo"
    waves = np.random.default_rng(rate).normal(0, 0.1, (channels, int(1.3 * rate))).astype(np.float32)
    buffer = io.BytesIO()
    with av.open(buffer, "w", "mp3", options={"write_xing": "0"}) as container:
        stream = container.add_stream("mp3", rate=rate, layout=layout)
        frame = av.AudioFrame.from_ndarray(waves, "fltp", layout)
        frame.sample_rate = rate
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    return buffer.getvalue()


def outcome(data):
    try:
        return decode("audio", data).waveform.tobytes()
    except SensoriumError as error:
        return error.code, str(error)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("encode", [lambda **how: make.mp3(1.3, **how), untagged], ids=["tagged", "untagged"])
@plainly
def test_every_sample_is_that_of_a_decoding_frame_by_frame(encode, rate, channels):
    """All rates of MPEG-1, 2 and 2.5, mono and stereo, whether or not the encoder has told the length."""
    data = encode(rate=rate, channels=channels)
    plain = plain_mp3(data)
    assert (plain.rate, plain.channels) == (rate, channels)
    assert np.array_equal(np.concatenate(plain.blocks()), frame_by_frame(data))


@plainly
def test_tags_before_and_behind_are_no_sound():
    """ID3 of both kinds changes nothing, nor does a footer behind the first."""
    data = make.mp3()
    footer = ID3[:5] + b"\x10" + ID3[6:] + b"3DI\x04\x00\x10" + ID3[6:10]
    for before in (ID3, footer):
        assert plain_mp3(before + data + ID3_1) == plain_mp3(data)
        assert outcome(before + data + ID3_1) == outcome(data)


@plainly
def test_damage_inside_frames_is_told_as_libav_tells_it(monkeypatch):
    """A hundred files with wrong bytes: the same samples or error as frame by frame, and both occur."""
    chance, whole = random.Random(5), make.mp3(rate=16_000)
    damaged = []
    for count in (1, 2, 4, 8) * 25:
        data = bytearray(whole)
        for _ in range(count):
            data[chance.randrange(300, len(data))] = chance.randrange(256)
        damaged.append(bytes(data))
    in_one_go = [outcome(data) for data in damaged]
    plain = [found for data in damaged if (found := plain_mp3(data)) is not None]
    told = [found.blocks() is not None for found in plain]
    assert any(told)
    assert not all(told)
    monkeypatch.setattr(mp3, "READS_MEMORY", False)
    assert [outcome(data) for data in damaged] == in_one_go
    assert len({type(each) for each in in_one_go}) == 2


def test_a_machine_that_gives_memory_no_name_hears_the_same(monkeypatch):
    """Elsewhere than on Linux every file is decoded frame by frame."""
    data = make.mp3(channels=2)
    in_one_go = outcome(data)
    monkeypatch.setattr(mp3, "READS_MEMORY", False)
    assert plain_mp3(data) is None
    assert outcome(data) == in_one_go


def second_frame(data):
    return data.index(data[:2], 4)


@plainly
@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: data[: second_frame(data)] + b"\0" + data[second_frame(data) :],
        lambda data: data + make.mp3(rate=22_050),
        lambda data: data + make.mp3(channels=2),
        lambda data: data[:36] + b"VBRI" + data[40:],
        lambda data: data[: data.index(b"Xing") + 7] + b"\x01" + data[data.index(b"Xing") + 8 :],
        lambda data: data[: data.index(b"Xing") + 8] + b"\0\1\0\0" + data[data.index(b"Xing") + 12 :],
        lambda data: data[:2] + bytes([data[2] & 0x0F]) + data[3:],
        lambda data: ID3[:6] + b"\x80" + ID3[7:] + data,
        lambda data: ID3[:3] + b"\xff" + ID3[4:] + data,
        lambda data: ID3[:5] + b"\x10" + ID3[6:] + data,
        lambda _: b"",
        lambda _: ID3,
    ],
    ids=[
        "cut",
        "rest",
        "gap",
        "rate",
        "channels",
        "VBRI",
        "few counts",
        "wrong count",
        "free",
        "size of ID3",
        "version of ID3",
        "no footer",
        "nothing",
        "only a tag",
    ],
)
def test_what_is_unusual_is_not_plain(change):
    """Whatever the walk from frame to frame does not expect is left to libav."""
    assert plain_mp3(make.mp3()) is not None
    assert plain_mp3(change(make.mp3())) is None


@plainly
def test_a_long_sound_is_not_held_whole(monkeypatch):
    """Beyond the bound the sound is decoded in blocks that are given away."""
    monkeypatch.setattr(mp3, "MOST_VALUES", 44_100)
    assert plain_mp3(make.mp3(1.0)) is not None
    assert plain_mp3(make.mp3(1.1)) is None
    assert plain_mp3(make.mp3(0.6, channels=2)) is None


@plainly
def test_a_walk_over_tiny_frames_ends_early():
    """Frames of 24 bytes without end are not counted beyond what would be decoded at once."""
    kind = mp3.kind_of(b"\xff\xf3\x14\xc4")
    tiny = b"\xff\xf3\x14\xc4" + bytes(20)
    assert frame_lengths(kind)[0x14] == len(tiny)
    assert count_frames(10 * tiny, 0, 10 * len(tiny), kind, 10) == 10
    assert count_frames(11 * tiny, 0, 11 * len(tiny), kind, 10) == 0


def files_in_memory():
    """Descriptors; others of this process may come and go meanwhile."""
    count = 0
    for each in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            count += f"memfd:{mp3.MEMORY}" in str(each.readlink())
    return count


@plainly
def test_no_file_stays_open():
    """Neither of a whole nor of a damaged sound."""
    chance, whole = random.Random(5), make.mp3(rate=16_000)
    for _ in range(40):
        data = bytearray(whole)
        data[chance.randrange(300, len(data))] = chance.randrange(256)
        outcome(bytes(data))
    assert files_in_memory() == 0
