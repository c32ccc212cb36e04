"""Samples become the reference's tensors, and the physical modalities what their description says."""

import hashlib
import io

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from models import clip_bpe
from models.errors import MediaError
from models.imagebind.imu import window_starts
from models.imagebind.picture import DISPARITY_MEAN, DISPARITY_STD, disparity
from models.imagebind.prepare import TAKES
from models.prepare import prepare_by_kind
from models.samples import (
    AudioSample,
    DepthSample,
    ImageSample,
    ImuSample,
    TextSample,
    ThermalSample,
    VideoSample,
)
from tests.imagebind_reference import LOG_MEL_TOLERANCE, distance, inputs, texts, video

PNGS = ["png_wide_rgb_224x297", "png_tall_rgba_500x333", "png_small_gray_61x90"]
SILENCE = (np.log(np.finfo(np.float32).eps) + 4.268) / 9.138  # log of the smallest power that is kept
PADDING = 4.268 / 9.138


class Frames:
    """The reference's decoded frames, by number."""

    def __init__(self, name):
        self.by_number = dict(zip(video[f"{name}/frames_number"], video[f"{name}/frames_rgb"], strict=True))

    def frames(self, numbers):
        return np.stack([self.by_number[number] for number in numbers])

    def each(self, numbers):
        return (self.by_number[number] for number in numbers)


def prepared(modality, sample):
    return prepare_by_kind(modality, TAKES[modality])(sample)


def reference_video(name, clips):
    count, fps = int(video[f"{name}/frame_count"]), float(video[f"{name}/fps"])
    return VideoSample(
        Frames(name), count, fps, np.arange(count, dtype=np.float32) / np.float32(fps), clips=clips
    )


@pytest.mark.parametrize("name", PNGS)
def test_stills_equal_the_reference_loader(name):
    """Bit by bit, with the Pillow that the reference was run with; one grey level would be 0.0146."""
    pixels = np.array(Image.open(io.BytesIO(inputs[f"image/{name}"].tobytes())).convert("RGB"))
    view = prepared("image", ImageSample(pixels)).tensor.numpy()
    assert view.shape == (1, 3, 2, 224, 224)
    for frame in (0, 1):
        assert distance(view[0, :, frame], inputs["image/loaded"][PNGS.index(name)]) < 1e-6


def test_a_video_of_three_clips_equals_the_reference_loader():
    """All nine views, clip by clip, from the decoded frames."""
    views = prepared("image", reference_video("wide", 3)).tensor.numpy()[None]
    scaled = video["wide/scaled_3_clips"]
    crops = [scaled[clip][..., left : left + 224] for clip in range(3) for left in (0, 37, 74)]
    assert distance(views, np.stack(crops)[None]) < 1e-6
    digest = hashlib.sha256(np.stack(crops)[None].tobytes()).hexdigest()
    assert digest == "717463ba29269ac2f11f3101969b7f7baec02fdc4d571a9a4465aa1bcb929da0"


def test_videos_default_to_five_clips_of_three_crops():
    """A sample of the pixels of all fifteen views."""
    views = prepared("image", reference_video("wide", None)).tensor.numpy()[None]
    assert distance(views[..., ::16, ::16], video["wide/loaded_5_clips_every_16th_pixel"]) < 1e-6


def test_a_video_shorter_than_a_clip_equals_the_reference_loader():
    """Upright and 1.3 s long: every clip is the same."""
    views = prepared("image", reference_video("tall", 3)).tensor.numpy()[None]
    assert distance(views[:, :3, ..., ::8, ::8], video["tall/loaded_first_clip_every_8th_pixel"]) < 1e-6
    assert np.array_equal(views[:, :3], views[:, 6:])


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 2_000_000, 3), (2_000_000, 1, 3)])
def test_odd_pictures_become_a_view_without_growing(shape):
    """A strip of two million pixels would be 100 GB at short side 224; its middle is used."""
    assert prepared("image", ImageSample(np.full(shape, 7, np.uint8))).tensor.shape == (1, 3, 2, 224, 224)


@pytest.mark.parametrize(("name", "row"), [("mono_16k_3p3s", 0), ("mono_16k_1p2s_short", 2)])
def test_log_mel_of_the_first_clip_equals_the_reference_loader(name, row):
    """Later clips of the reference are damaged by the mean that it takes off in place."""
    waveform = inputs[f"audio/pcm16_{name}"][:, 0].astype(np.float32) / 32768
    views = prepared("audio", AudioSample(waveform)).tensor.numpy()
    assert views.shape == (3, 1, 128, 204)
    assert distance(views[0], inputs["audio/loaded"][row, 0]) < LOG_MEL_TOLERANCE


def test_silence_is_quieter_than_padding():
    """A second of digital silence: frames at the floor, then zeros that were padded before the statistics."""
    view = prepared("audio", AudioSample(np.zeros(16_000, np.float32), clips=1)).tensor[0, 0]
    assert torch.allclose(view[:, :98], torch.full((128, 98), float(SILENCE)), atol=1e-4)
    assert torch.allclose(view[:, 98:], torch.full((128, 106), PADDING))


def test_a_sound_shorter_than_a_window_is_refused():
    """25 ms at 16 kHz are needed for a single spectrum."""
    with pytest.raises(MediaError, match="400"):
        prepared("audio", AudioSample(np.zeros(399, np.float32)))


def test_a_long_recording_says_how_much_of_it_was_heard():
    """Ten seconds are not covered by three clips of two."""
    assert prepared("audio", AudioSample(np.zeros(160_000, np.float32))).notes == (
        "3 clips of 2 s heard, of 10.0 s",
    )


@pytest.mark.parametrize(("name", "row"), [("texts", "text/tokens"), ("special", "text/tokens_special")])
def test_tokens_of_all_reference_texts_are_equal(name, row):
    """Fifty varied texts, and four with the literal special tokens that ImageBind obeys."""
    rows = [prepared("text", TextSample(text)).tensor.numpy() for text in texts[name]]
    assert np.array_equal(np.concatenate(rows), inputs[row])


def test_a_long_text_is_cut_and_keeps_its_end_token():
    """77 tokens, the last of them the end, and a note."""
    views = prepared("text", TextSample("word " * 100))
    assert views.notes == ("text cut to 77 tokens",)
    assert (int(views.tensor[0, -1]), views.tokens) == (49_407, 77)


def test_a_word_that_never_ends_takes_no_time():
    """A megabyte without a space is cut before byte pairs are merged, and the note says so."""
    assert prepared("text", TextSample("-" * 1_000_000)).notes == ("text cut to 77 tokens",)


def test_words_are_remembered_up_to_a_limit(monkeypatch):
    """The cache neither grows without end nor drops a word that another thread has just looked up."""
    words = clip_bpe.Words(cat="cat</w>")
    monkeypatch.setattr(clip_bpe, "CACHED_WORDS", 2)
    for word in ("dog", "horse", "x" * 65):
        words[word] = word
    assert words == {"cat": "cat</w>", "dog": "dog"}
    ids = clip_bpe.Words()
    monkeypatch.setattr(clip_bpe, "IDS", ids)
    assert clip_bpe.encode("a horse and a cat") == clip_bpe.encode("A  horse and a CAT ")
    assert list(ids) == ["a", "horse"]
    assert list(clip_bpe._tokenizer().cache) == list(clip_bpe.SPECIAL)


@given(st.text(max_size=60) | st.text(st.characters(max_codepoint=0x7F), max_size=60))
def test_texts_are_read_as_open_clip_reads_them(text):
    """Whatever they hold: the ids of open_clip's own way through the same vocabulary and the same strings."""
    tokenizer = clip_bpe._tokenizer()
    assert clip_bpe.encode(text) == tokenizer.encode(text)


@pytest.mark.parametrize(
    "ids", [(320, 1929, 269), (49_406, 320, 1929, 269), (49_406, 320, 1929, 269, 49_407, 0, 0)]
)
def test_token_ids_stand_for_their_text(ids):
    """With or without start, end and padding: the row of "a dog."."""
    row = prepared("text", TextSample(tokens=ids)).tensor
    assert torch.equal(row, prepared("text", TextSample("a dog.")).tensor)


@pytest.mark.parametrize("token", [-1, 49_408])
def test_token_ids_outside_the_vocabulary_are_refused(token):
    """The message names the accepted range."""
    with pytest.raises(MediaError, match="0 to 49407"):
        prepared("text", TextSample(tokens=(320, token)))


@pytest.mark.parametrize(
    ("metres", "expected"), [(2.0, 75e-3 * 518.9 / 16 / 75), (0.0, 0.0), (100.0, 75e-3 * 518.9 / 50 / 75)]
)
def test_depth_becomes_disparity_read_eight_times_too_far(metres, expected):
    """baseline * fx / (8 * depth) / 75, nothing where there is no reading, 50 m the farthest as read."""
    sample = DepthSample(np.full((4, 4), metres, np.float32))
    assert disparity(sample) == pytest.approx(expected, rel=1e-5)


def test_depth_uses_the_camera_that_is_given():
    """Twice the baseline and half the focal length are the same disparity; near things are clamped to 1."""
    metres = np.full((4, 4), 1.5, np.float32)
    assert np.allclose(disparity(DepthSample(metres, 259.45, 0.15)), disparity(DepthSample(metres)))
    assert disparity(DepthSample(np.full((4, 4), 0.001, np.float32))).max() == 1


def test_depth_of_the_towers_size_is_standardised_and_nothing_else():
    """224 x 224 pixels are neither resized nor cropped."""
    sample = DepthSample(np.random.default_rng(0).uniform(0.5, 8, (224, 224)).astype(np.float32))
    expected = (disparity(sample) - DISPARITY_MEAN) / DISPARITY_STD
    assert distance(prepared("depth", sample).tensor.numpy()[0, 0], expected) < 1e-5


def test_relative_depth_says_that_its_scale_is_guessed():
    """Values in (0, 10] are taken for metres."""
    assert "guess" in prepared("depth", DepthSample(np.ones((9, 9), np.float32), relative=True)).notes[0]


def test_thermal_pictures_of_the_towers_size_pass_unchanged():
    """The encoder's input is the value itself, in [0, 1]."""
    values = inputs["thermal/input"][0, 0]
    assert np.array_equal(prepared("thermal", ThermalSample(values)).tensor.numpy()[0, 0], values)


def test_thermal_pictures_are_reduced_to_their_middle_square():
    """A hot left half of an oblong picture: the crop keeps the border in the middle."""
    values = np.zeros((240, 480), np.float32)
    values[:, :240] = 1
    view = prepared("thermal", ThermalSample(values)).tensor[0, 0]
    assert view.shape == (224, 224)
    assert view[:, :111].min() > 0.99
    assert view[:, 113:].max() < 0.01


def test_an_imu_window_at_the_models_rate_passes_unchanged():
    """2000 samples at 400 Hz: six rows, acceleration first."""
    rows = inputs["imu/input"][0]
    view = prepared("imu", ImuSample(np.ascontiguousarray(rows.T), sample_rate=400)).tensor.numpy()
    assert np.array_equal(view[0], rows)


def test_imu_recordings_are_resampled_by_their_rate():
    """A ramp of 5 s at 50 Hz has the same slope at 400 Hz, in every axis."""
    seconds = np.arange(250)[:, None] / 50
    values = (seconds * np.arange(1, 7)).astype(np.float32)
    view = prepared("imu", ImuSample(values, sample_rate=50)).tensor.numpy()[0]
    ramp = np.minimum(np.arange(2000) / 400, seconds.max()) * np.arange(1, 7)[:, None]
    assert distance(view, ramp.astype(np.float32)) < 1e-4


def test_a_short_imu_recording_is_repeated():
    """One second fills the window five times, and a note says so."""
    values = np.random.default_rng(0).standard_normal((400, 6)).astype(np.float32)
    views = prepared("imu", ImuSample(values, sample_rate=400))
    assert np.array_equal(views.tensor.numpy()[0], np.tile(values, (5, 1)).T)
    assert views.notes == ("recording of 1.00 s repeated to fill 5 s",)


@pytest.mark.parametrize(
    ("length", "starts"),
    [(100, [0]), (2000, [0]), (2001, [0, 1]), (4000, [0, 2000]), (10_000, [0, 4000, 8000])],
)
def test_imu_windows_are_evenly_spaced(length, starts):
    """First and last flush with the recording's ends, three at most."""
    assert window_starts(length) == starts


def test_a_sample_of_another_modality_is_refused():
    """A sound handed to the image tower is named, and so is what the tower takes."""
    with pytest.raises(MediaError, match="ImageSample or VideoSample, not AudioSample"):
        prepared("image", AudioSample(np.zeros(16_000, np.float32)))
