"""The table of modalities: samples, file endings and parameters agree with the decoders."""

import inspect

import pytest

from models import samples
from models.modalities import MODALITIES, modality_of_file

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
