"""From files to the reference's unit vectors: decode, prepare and encode of the reduced model together."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

import models
from tests import reference_weights
from tests.imagebind_reference import UNIT_TOLERANCE, distance, inputs, outputs, texts, unit, video
from tests.reference_sounds import SOUNDS, vectors, vectors_as_rounded_there, wav

PNGS = ["png_wide_rgb_224x297", "png_tall_rgba_500x333", "png_small_gray_61x90"]
# With any processor's rounding of Fourier transforms; exact ones lie 4.7e-6 off (tests/reference_sounds.py).
SOUND_TOLERANCE = 6e-6


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return reference_weights.save("nano", tmp_path_factory.mktemp("nano") / "nano.pth")


@pytest.fixture(scope="module")
def embedder(weights):
    return models.load("imagebind-nano", weights=weights)


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def npy(values):
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


def embed(embedder, modality, data, **params):
    return embedder.embed(modality, [models.decode(modality, data, **params)])


@pytest.mark.parametrize("name", PNGS)
def test_png_files(embedder, name):
    """Wide RGB, upright with alpha, small grey."""
    row = embed(embedder, "image", inputs[f"image/{name}"].tobytes())
    reference = outputs["vision/procedural/embedding"][[PNGS.index(name)]]
    assert distance(row, unit(reference)) < UNIT_TOLERANCE


def test_wav_files(embedder, weights, tmp_path):
    """At 16, 44.1 and 8 kHz, longer and shorter than a clip; clips do not damage each other."""
    reference = unit(outputs["audio/procedural/embedding_if_clips_are_copied"][list(SOUNDS.values())])
    assert distance(vectors_as_rounded_there(weights, tmp_path / "rows.npy"), reference) < UNIT_TOLERANCE
    assert distance(vectors(embedder), reference) < SOUND_TOLERANCE


def test_a_stereo_file_is_mixed_where_the_reference_hears_its_first_channel(embedder):
    """A chosen difference: the vector is that of the mean of the channels, not of the left one."""
    row = embed(embedder, "audio", wav("stereo_44k1_2p61s"))
    first_channel = unit(outputs["audio/procedural/embedding_if_clips_are_copied"][[1]])
    assert distance(row, first_channel) > 1e-3
    mixed = inputs["audio/resampled_stereo_44k1_2p61s"].mean(0)
    expected = embedder.embed("audio", [models.AudioSample(mixed)])
    assert distance(row, expected) < 1e-4


@pytest.mark.parametrize(("name", "clips"), [("wide", 3), ("wide", 5), ("wide", None), ("tall", 3)])
def test_mp4_files(embedder, name, clips):
    """Three and five clips, five by default; through the image tower."""
    row = embed(embedder, "video", video[f"{name}/mp4"].tobytes(), clips=clips)
    reference = outputs[f"vision/video_{name}_{clips or 5}clips/embedding"]
    assert distance(row, unit(reference)) < UNIT_TOLERANCE


def test_a_video_is_also_an_input_of_the_image_modality(embedder):
    """The same sample under both names gives the same vector."""
    sample = models.decode("video", video["tall/mp4"].tobytes(), clips=3)
    assert np.array_equal(embedder.embed("image", [sample]), embedder.embed("video", [sample]))


def test_text_files(embedder):
    """All texts of the reference, as UTF-8 bytes; an empty one cannot be sent as a file."""
    rows = [text for text in texts["texts"] if text.strip()]
    numbers = [texts["texts"].index(text) for text in rows]
    samples = [models.decode("text", text.encode()) for text in rows]
    ours = embedder.embed("text", samples)
    assert distance(ours, unit(outputs["text/50_texts/embedding"][numbers])) < UNIT_TOLERANCE


def test_all_texts_as_samples(embedder):
    """The empty text included, and the four with literal special tokens."""
    for name, key in (("texts", "50_texts"), ("special", "special")):
        ours = embedder.embed("text", [models.TextSample(text) for text in texts[name]])
        assert distance(ours, unit(outputs[f"text/{key}/embedding"])) < UNIT_TOLERANCE


def test_thermal_png_files(embedder):
    """8-bit grey: the reference's values stand in steps of 1/255."""
    grey = np.round(inputs["thermal/input"][:, 0] * 255).astype(np.uint8)
    ours = np.concatenate([embed(embedder, "thermal", png(picture)) for picture in grey])
    assert distance(ours, unit(outputs["thermal/procedural/embedding"])) < UNIT_TOLERANCE


def test_imu_npy_files(embedder):
    """(2000, 6) at 400 Hz in SI units: the reference's values, time first."""
    files = [npy(np.ascontiguousarray(rows.T)) for rows in inputs["imu/input"]]
    ours = np.concatenate([embed(embedder, "imu", file, sample_rate=400, unit="si") for file in files])
    assert distance(ours, unit(outputs["imu/procedural/embedding"])) < UNIT_TOLERANCE


@pytest.mark.parametrize("modality", ["depth", "thermal", "imu"])
def test_prepared_tensors_stand_for_samples(embedder, modality):
    """Views that are ready, (1, *shape) each, go straight to the tower."""
    ours = embedder.embed(modality, [torch.from_numpy(item[None]) for item in inputs[f"{modality}/input"]])
    assert distance(ours, unit(outputs[f"{modality}/procedural/embedding"])) < UNIT_TOLERANCE


def test_raw_head_outputs_on_request(embedder):
    """`normalize=False` gives what the head gives, as image decoders need it."""
    data = inputs[f"image/{PNGS[0]}"].tobytes()
    row = embedder.embed("image", [models.decode("image", data)], normalize=False)
    assert distance(row, outputs["vision/procedural/head"][:1]) < 1e-5
