"""A vector depends on its file alone: not on the batch it was encoded in, nor on the modalities loaded."""

import numpy as np
import pytest

import models
from models.samples import AudioSample, DepthSample, ImageSample, ImuSample, TextSample, ThermalSample
from tests import reference_weights

TOLERANCE = 1e-6
random = np.random.default_rng(7)


def pictures(low, high):
    return [random.uniform(low, high, (60 + 40 * i, 300 - 20 * i)).astype(np.float32) for i in range(8)]


class Noise:
    """Frames of noise."""

    def frames(self, numbers):
        return np.stack(list(self.each(numbers)))

    def each(self, numbers):
        return (np.random.default_rng(n).integers(0, 256, (90, 120, 3), np.uint8) for n in numbers)


def video_of(count):
    return models.VideoSample(Noise(), count, 10.0, np.arange(count, dtype=np.float32) / 10)


EIGHT = {
    "text": [TextSample("a dog barks " * i) for i in range(8)],
    "image": [ImageSample(random.integers(0, 256, (50 + 60 * i, 400, 3), np.uint8)) for i in range(8)],
    "video": [video_of(3 + 20 * i) for i in range(8)],
    "audio": [AudioSample(random.uniform(-1, 1, 9000 * (i + 1)).astype(np.float32)) for i in range(8)],
    "depth": [DepthSample(picture) for picture in pictures(0, 9)],
    "thermal": [ThermalSample(picture) for picture in pictures(0, 1)],
    "imu": [
        ImuSample(random.standard_normal((150 * (i + 1), 6)).astype(np.float32), sample_rate=100)
        for i in range(8)
    ],
}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return reference_weights.save("nano", tmp_path_factory.mktemp("nano") / "nano.pth")


@pytest.fixture(scope="module")
def embedder(checkpoint):
    return models.load("imagebind-nano", weights=checkpoint)


@pytest.mark.parametrize("modality", EIGHT)
def test_alone_and_among_others(embedder, modality):
    """Each of eight items of different sizes, by itself and in one batch; the eight differ."""
    together = embedder.embed(modality, EIGHT[modality])
    alone = np.concatenate([embedder.embed(modality, [sample]) for sample in EIGHT[modality]])
    assert np.abs(together - alone).max() < TOLERANCE
    assert np.abs(np.linalg.norm(together, axis=1) - 1).max() < TOLERANCE
    assert np.abs(together[0] - together[1:]).max(axis=1).min() > 1e-3


def test_parts_of_a_model_give_the_same_vectors_and_identity(embedder, checkpoint):
    """Loading two encoders changes neither what they say nor what the model is called."""
    part = models.load("imagebind-nano", weights=checkpoint, modalities=["audio", "text"])
    assert part.modalities == ("text", "audio")
    assert part.identity == embedder.identity
    sounds = EIGHT["audio"]
    assert np.array_equal(part.embed("audio", sounds), embedder.embed("audio", sounds))


def test_half_precision_stays_close(embedder, checkpoint):
    """bfloat16 moves unit vectors by some hundredths, and is the same model."""
    half = models.load("imagebind-nano", weights=checkpoint, precision="bf16")
    for modality, samples in EIGHT.items():
        cosines = (half.embed(modality, samples) * embedder.embed(modality, samples)).sum(1)
        assert cosines.min() > 0.99, modality
    assert half.identity == embedder.identity
