"""Whatever the bytes are, decoding ends in a sample or an error of ours; and it may run in many threads."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.errors import (
    MediaError,
    ParameterError,
    SensoriumError,
    UnknownModalityError,
    UnsupportedMediaError,
)
from models.media.limits import Limits
from models.modalities import MODALITIES, decode
from tests import media_files as make

# Mutated headers may claim a lot; small limits keep the examples quick.
LIMITS = Limits(pixels=1_000_000, frame_pixels=1_000_000, audio_s=10, video_s=100, values=100_000)
PARAMS = {"imu": {"sample_rate": 50}}

FILES = {
    "text": [("text", "Grüße".encode())],
    "png": [("image", make.png(16, 12)), ("depth", make.depth_png(16, 12)),
            ("thermal", make.thermal16_png(16, 12))],
    "jpeg": [("image", make.jpeg(16, 12)), ("thermal", make.jpeg_turned(6, 16, 12))],
    "gif": [("image", make.picture_bytes(make.gradient(16, 12), "GIF"))],
    "webp": [("image", make.picture_bytes(make.gradient(16, 12), "WEBP"))],
    "bmp": [("image", make.picture_bytes(make.gradient(16, 12), "BMP"))],
    "tiff": [
        ("image", make.picture_bytes(make.gradient(16, 12), "TIFF", compression="tiff_lzw")),
        ("depth", make.picture_bytes(make.depth_mm(16, 12), "TIFF")),
    ],
    "wav": [("audio", make.wav(0.1)), ("audio", make.wav(0.1, subtype="FLOAT"))],
    "flac": [("audio", make.flac(0.1))],
    "ogg": [("audio", make.ogg(0.1)), ("audio", make.opus(0.1))],
    "mp3": [("audio", make.mp3(0.1))],
    "m4a": [("audio", make.m4a(0.1)), ("audio", make.aac(0.1)), ("audio", make.surround("adts", "aac", 0.1))],
    "mp4": [("video", make.mp4(4, sound_s=0.1)), ("audio", make.mp4(4, sound_s=0.1))],
    "webm": [("video", make.webm(4, sound_s=0.1)), ("video", make.video_bytes("matroska", frames=4))],
    "npy": [("imu", make.npy(make.imu_values(20))), ("depth", make.depth_npy(16, 12)),
            ("thermal", make.npy(np.linspace(10, 40, 12).reshape(3, 4)))],
    "csv": [("imu", make.imu_csv(10)), ("imu", make.imu_csv(10, time=False))],
}  # fmt: skip


def outcome(modality, data, **params):
    """The sample (a video's with all its frames decoded) or the error of ours; anything else escapes."""
    try:
        sample = decode(modality, data, limits=LIMITS, **params)
        if modality == "video":
            sample.frames(list(range(min(sample.frame_count, 8))))
    except SensoriumError as error:
        return error
    return sample


@st.composite
def damage(draw, data):
    """`data` with some bytes replaced, a part taken out or put in, or its end cut off."""
    bytes_ = bytearray(data)
    header = draw(st.booleans())  # half of the damage goes where the structure is
    span = min(len(bytes_), 128) if header else len(bytes_)
    for _ in range(draw(st.integers(0, 6))):
        bytes_[draw(st.integers(0, span - 1))] = draw(
            st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]) | st.integers(0, 255)
        )
    place = draw(st.integers(0, len(bytes_)))
    change = draw(st.sampled_from(["keep", "cut", "remove", "insert"]))
    if change == "cut":
        del bytes_[place:]
    elif change == "remove":
        del bytes_[place : place + draw(st.integers(1, 16))]
    elif change == "insert":
        bytes_[place:place] = draw(st.binary(min_size=1, max_size=16))
    return bytes(bytes_)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("kind", FILES)
@settings(
    max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
@given(data=st.data())
def test_damaged_files_end_in_a_sample_or_an_error_of_ours(kind, data):
    """No library's exception gets out, whatever byte of whatever format is changed."""
    modality, original = data.draw(st.sampled_from(FILES[kind]))
    result = outcome(modality, data.draw(damage(original)), **PARAMS.get(modality, {}))
    assert not isinstance(result, SensoriumError) or (result.message and result.code)


@pytest.mark.parametrize("kind", FILES)
def test_the_undamaged_files_decode(kind):
    """The damaged test starts from files that are good."""
    for modality, original in FILES[kind]:
        assert not isinstance(outcome(modality, original, **PARAMS.get(modality, {})), SensoriumError)


@pytest.mark.parametrize("modality", MODALITIES)
def test_empty_data_is_empty_media(modality):
    """Nothing is an error of its own in every modality."""
    with pytest.raises(MediaError) as caught:
        decode(modality, b"")
    assert caught.value.code == "empty_media"


@pytest.mark.parametrize("modality", [name for name in MODALITIES if name != "text"])
@settings(max_examples=30, deadline=None, derandomize=True, database=None)
@given(data=st.binary(min_size=1, max_size=300))
def test_noise_is_a_media_error(modality, data):
    """Random bytes are refused by every modality but text."""
    with pytest.raises(MediaError):
        decode(modality, data, **PARAMS.get(modality, {}))


@pytest.mark.parametrize("modality", [name for name in MODALITIES if name != "text"])
def test_a_file_of_another_kind_is_unsupported(modality):
    """A ZIP, a PDF and a picture or sound in the wrong place are unsupported, with what is accepted."""
    misplaced = make.wav() if modality not in {"audio", "video"} else make.png()
    for data in (misplaced, b"PK\x03\x04" + bytes(30), b"%PDF-1.4\n%"):
        with pytest.raises(UnsupportedMediaError, match="accepted are"):
            decode(modality, data)


def test_an_unknown_modality_is_named_with_those_there_are():
    """The error lists the modalities."""
    with pytest.raises(UnknownModalityError, match=r"'smell'.*thermal, imu"):
        decode("smell", b"x")


@pytest.mark.parametrize("modality", MODALITIES)
def test_an_unknown_parameter_is_named_with_those_there_are(modality):
    """A misspelt parameter is an error and never ignored."""
    with pytest.raises(ParameterError, match=f"{modality} has no parameter 'samplerate'"):
        decode(modality, b"x", samplerate=50)


def test_parameters_that_are_none_count_as_left_out():
    """Optional fields of a request may be passed on as they are."""
    assert decode("audio", make.wav(), clips=None).clips is None


@pytest.mark.parametrize("clips", [0, -1, 1.5, "two", 101, True, [2]])
def test_a_number_of_clips_is_a_small_whole_number(clips):
    """Clips out of range or of another type are refused by name."""
    with pytest.raises(ParameterError, match="clips"):
        decode("audio", make.wav(), clips=clips)


def test_decoding_in_many_threads_gives_the_same_samples():
    """Eight threads over all formats at once agree with one after the other."""
    work = [
        (modality, data, PARAMS.get(modality, {}))
        for files in FILES.values()
        for modality, data in files
        if modality in {"image", "audio", "video"}
    ]

    def pixels_or_wave(job):
        modality, data, params = job
        sample = decode(modality, data, **params)
        return {"image": lambda: sample.pixels, "audio": lambda: sample.waveform,
                "video": lambda: sample.frames([0, sample.frame_count - 1])}[modality]()  # fmt: skip

    alone = [pixels_or_wave(job) for job in work]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(pixels_or_wave, work * 4))
    assert all(np.array_equal(one, other) for one, other in zip(alone * 4, together, strict=True))
