"""The table of modalities: samples, file endings and parameters agree with the decoders."""

import inspect
import io
import math

import numpy as np
import pytest

from models import samples
from models.errors import MediaError, ParameterError
from models.media.frames import StillFrames
from models.modalities import MODALITIES, decode, modality_of_file

FRAMES = np.zeros((2, 8, 8, 3), np.uint8)
SAMPLES = {
    "text": samples.TextSample,
    "image": samples.ImageSample,
    "video": samples.VideoSample,
    "audio": samples.AudioSample,
    "depth": samples.DepthSample,
    "thermal": samples.ThermalSample,
    "imu": samples.ImuSample,
}


def test_there_are_seven_modalities():
    """The table holds each modality once, under its own name."""
    assert list(MODALITIES) == list(SAMPLES)
    assert all(name == modality.name for name, modality in MODALITIES.items())


@pytest.mark.parametrize("name", MODALITIES)
def test_every_modality_has_a_tiny_valid_sample(name):
    """`sample()` is of the modality's own type, which checks itself when made."""
    assert type(MODALITIES[name].sample()) is SAMPLES[name]


def test_a_videos_tiny_sample_has_frames():
    """The sample of video can be asked for its frames."""
    sample = MODALITIES["video"].sample()
    assert sample.frames([3, 0]).shape == (2, 8, 8, 3)


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview])
def test_any_kind_of_bytes_is_decoded(wrap):
    """What sockets and buffers hand over needs no copy by the caller."""
    assert decode("text", wrap(b"a dog")).text == "a dog"


@pytest.mark.parametrize("data", ["photo.png", 5, None, [1, 2], io.BytesIO(b"x")])
def test_what_is_no_bytes_is_named(data):
    """A file name, say, is not mistaken for a broken file."""
    with pytest.raises(ParameterError, match=f"has to be the bytes of a file, not {type(data).__name__}"):
        decode("image", data)


@pytest.mark.parametrize("name", MODALITIES)
def test_parameters_are_those_of_the_decoder(name):
    """What the table accepts is what the decoder takes by keyword."""
    signature = inspect.signature(MODALITIES[name].decode)
    keywords = [p.name for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY]
    assert sorted(MODALITIES[name].params) == sorted(keywords)


@pytest.mark.parametrize(
    ("file", "media_type", "modality"),
    [
        ("cat.PNG", None, "image"),
        ("cat.jpeg", "application/octet-stream", "image"),
        ("scan.tif", None, "image"),
        ("bark.wav", None, "audio"),
        ("song.m4a", "audio/mp4", "audio"),
        ("film.mp4", None, "video"),
        ("film.webm", None, "video"),
        ("walk.csv", None, "imu"),
        ("walk.csv", "application/vnd.ms-excel", "imu"),
        ("notes.txt", None, "text"),
        ("blob", "image/png", "image"),
        ("blob", "audio/webm; codecs=opus", "audio"),
        ("blob", "audio/x-something", "audio"),
        ("recording.webm", "audio/webm", "audio"),
        ("walk.csv", "text/plain", "imu"),
        ("blob", "text/csv; charset=utf-8", "imu"),
        ("blob", "text/plain", "text"),
        ("walk.npy", None, None),
        ("walk.npy", "application/octet-stream", None),
        ("blob", None, None),
        ("", "", None),
        ("archive.zip", "application/zip", None),
    ],
)
def test_a_files_name_or_type_says_its_modality(file, media_type, modality):
    """Pictures, sounds and films go by MIME type, the rest by ending; what is ambiguous stays undecided."""
    assert modality_of_file(file, media_type) == modality


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: samples.ImuSample(np.ones((9, 6), np.float32), sample_rate=1e-300), "accepted are 1 to"),
        (lambda: samples.ImuSample(np.ones((9, 6), np.float32), sample_rate=math.inf), "accepted are 1 to"),
        (lambda: samples.DepthSample(np.ones((2, 2), np.float32), fx=0.0), "fx .px. is 0.0; accepted"),
        (lambda: samples.DepthSample(np.ones((2, 2), np.float32), baseline=math.nan), "baseline .m. is nan"),
        (
            lambda: samples.VideoSample(StillFrames(FRAMES), 2, math.inf, np.zeros(2, np.float32)),
            "no frame rate",
        ),
    ],
)
def test_samples_refuse_values_that_would_become_no_number(make, said):
    """Also where a caller makes them without decoding: rates and optics have to be usable."""
    with pytest.raises(MediaError, match=said):
        make()
