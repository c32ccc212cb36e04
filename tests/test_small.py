"""The bundled model: what it weighs, what it takes, and that it knows what it was taught."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import models
from models import AudioSample, DepthSample, ImageSample, ImuSample, TextSample, ThermalSample
from models.small import sounds
from models.small.assemble import TAKES, WEIGHTS
from models.small.movements import GRAVITY_M_S2

LIMIT_BYTES = 40_000_000
TOLERANCE = 1e-6
DATA = os.environ.get("SENSORIUM_DATA", "")
needs_data = pytest.mark.skipif(
    not Path(DATA, "index.csv").is_file(), reason="SENSORIUM_DATA does not name the folder of the data packs"
)
# Figures on the val splits that the model must not fall below: archive of each zero-shot task.
FLOORS = {
    "images/tiny_imagenet.npz": 0.38,
    "images/cifar10.npz": 0.78,
    "images/caltech101.zip": 0.60,
    "sounds/esc10.zip": 0.88,
    "sounds/digits.zip": 0.95,
    "imu/sisfall.npz": 0.90,
    "imu/uci_har.npz": 0.95,
}


@pytest.fixture(scope="module")
def small():
    return models.load("sensorium-small")


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def picture(height, width, seed=0):
    return ImageSample(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


def movement(count, rate=50.0, seed=0):
    return ImuSample(noise(count, 6, seed=seed) + np.float32([0, -9.8, 0, 0, 0, 0]), sample_rate=rate)


def ordinary(modality, seed):
    """A sample like any other, different for every seed."""
    rng = np.random.default_rng(seed)
    made = {
        "text": lambda: TextSample("a dog " * (1 + seed) + "runs"),
        "image": lambda: picture(40 + seed, 60, seed),
        "audio": lambda: AudioSample((noise(9_000 * (1 + seed), seed=seed) * 0.1).clip(-1, 1)),
        "depth": lambda: DepthSample(rng.uniform(0, 4, (50, 70)).astype(np.float32)),
        "thermal": lambda: ThermalSample(rng.uniform(0, 1, (50, 70)).astype(np.float32)),
        "imu": lambda: movement(100 + 60 * seed, seed=seed),
    }
    return made[modality]()


ODD = {
    "empty text": ("text", lambda: TextSample("")),
    "endless text": ("text", lambda: TextSample("word " * 5_000)),
    "foreign text": ("text", lambda: TextSample("犬が吠える 🐕 \x00 собака")),
    "bare tokens": ("text", lambda: TextSample(tokens=(320, 1929))),
    "full tokens": ("text", lambda: TextSample(tokens=(49_406, 320, 1929, 49_407))),
    "one pixel": ("image", lambda: picture(1, 1)),
    "a strip": ("image", lambda: picture(1, 9_000)),
    "a black picture": ("image", lambda: ImageSample(np.zeros((30, 20, 3), np.uint8))),
    "silence": ("audio", lambda: AudioSample(np.zeros(50_000, np.float32))),
    "one audio sample": ("audio", lambda: AudioSample(np.ones(1, np.float32))),
    "a whisper": ("audio", lambda: AudioSample(noise(40_000) * np.float32(1e-9))),
    "a minute": ("audio", lambda: AudioSample((noise(960_000) * 0.1).clip(-1, 1))),
    "no depth reading": ("depth", lambda: DepthSample(np.zeros((9, 9), np.float32))),
    "one depth pixel": ("depth", lambda: DepthSample(np.ones((1, 1), np.float32))),
    "a flat wall": ("depth", lambda: DepthSample(np.full((30, 40), 2, np.float32))),
    "a far sky": ("depth", lambda: DepthSample(np.full((30, 40), 1e9, np.float32))),
    "one thermal pixel": ("thermal", lambda: ThermalSample(np.ones((1, 1), np.float32))),
    "even warmth": ("thermal", lambda: ThermalSample(np.full((30, 40), 0.5, np.float32))),
    "a still sensor": ("imu", lambda: ImuSample(np.zeros((300, 6), np.float32), sample_rate=50.0)),
    "one movement sample": ("imu", lambda: movement(1)),
    "a slow sensor": ("imu", lambda: movement(20, rate=1.0)),
    "a fast sensor": ("imu", lambda: movement(9_000, rate=1_600.0)),
}


def test_the_weights_stay_below_the_limit():
    """The bundled file is small enough for the repository."""
    assert WEIGHTS.stat().st_size <= LIMIT_BYTES


def test_loads_in_under_a_second():
    """From imported to ready."""
    code = (
        "import time, models, models.small.assemble; start = time.perf_counter();"
        "models.load('sensorium-small'); print(time.perf_counter() - start)"
    )
    attempts = []
    give_up = time.monotonic() + 60
    while not attempts or (min(attempts) >= 1 and time.monotonic() < give_up):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
        attempts.append(float(done.stdout))
    assert min(attempts) < 1


@pytest.mark.parametrize("modality", TAKES)
def test_alone_as_in_a_batch(small, modality):
    """A sample's vector does not depend on its neighbours."""
    samples = [ordinary(modality, seed) for seed in range(8)]
    together = small.embed(modality, samples)
    alone = np.concatenate([small.embed(modality, [sample]) for sample in samples])
    assert np.abs(together - alone).max() <= TOLERANCE
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    assert together.shape == (8, small.dim)


@pytest.mark.parametrize("modality", TAKES)
def test_bf16_is_near_fp32(small, modality):
    """Half the precision turns no vector."""
    samples = [ordinary(modality, seed) for seed in range(4)]
    coarse = models.load("sensorium-small", modalities=[modality], precision="bf16")
    cosines = (coarse.embed(modality, samples) * small.embed(modality, samples)).sum(1)
    assert cosines.min() > 0.995


@pytest.mark.parametrize("case", ODD)
def test_odd_input_gives_a_finite_vector(small, case):
    """Whatever a valid sample holds, a unit vector comes out."""
    modality, make = ODD[case]
    vector = small.embed(modality, [make()])
    assert np.isfinite(vector).all()
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_only_what_is_asked_for_is_loaded():
    """One modality alone: same identity, same vector."""
    alone, whole = models.load("sensorium-small", modalities=["imu"]), models.load("sensorium-small")
    assert alone.modalities == ("imu",)
    assert alone.identity == whole.identity
    assert np.array_equal(alone.embed("imu", [movement(99)]), whole.embed("imu", [movement(99)]))


def test_background_of_every_pair(small):
    """Each ordered pair of modalities, video too, has mean and spread of unrelated cosines."""
    names = (*small.modalities, "video")
    assert {(query, item) for query in names for item in names} <= set(small.background)
    assert all(abs(mean) < 1 and 0 < std < 1 for mean, std in small.background.values())


@pytest.mark.parametrize(
    ("said", "near", "far"),
    [
        ("a dog barking", "a barking dog", "a bus"),
        ("someone falls", "a person falling forward", "a person walking"),
        ("waves crashing on the shore", "the sound of the sea", "a chainsaw"),
        ("a cat", "a kitten", "an airplane"),
        ("a person walks up the stairs", "climbing stairs", "lying in bed"),
    ],
)
def test_sentences_that_mean_the_same_are_nearer(small, said, near, far):
    """Meaning counts, not words."""
    query, one, other = small.embed("text", [TextSample(text) for text in (said, near, far)])
    assert query @ one > query @ other


def stride(hz, strength, seconds=5.12, rate=50.0):
    """A waist sensor, gravity along -y: the bounce and sway of steps at `hz`, strength in g."""
    t = np.arange(int(seconds * rate)) / rate
    steps, sway = np.sin(2 * np.pi * hz * t), np.sin(np.pi * hz * t)
    bounce = np.maximum(steps, -0.6) + 0.3 * np.sin(4 * np.pi * hz * t + 1)
    accel = np.stack([0.3 * strength * sway, -1 - strength * bounce, 0.4 * strength * steps], 1)
    gyro = np.stack([sway, 0.8 * sway, 0.4 * steps], 1) * strength
    values = np.concatenate([accel * GRAVITY_M_S2, gyro], 1).astype(np.float32)
    return ImuSample(values + noise(len(t), 6) * np.float32(0.05), sample_rate=rate)


def test_a_run_is_no_rest(small):
    """A simulated runner is nearer to running than to sitting still, and the other way round."""
    names = small.embed("text", [TextSample("a person running"), TextSample("a person sitting still")])
    runner, still = small.embed("imu", [stride(2.8, 1.2), stride(2.8, 0.0)])
    assert runner @ names[0] > runner @ names[1]
    assert still @ names[1] > still @ names[0]


@needs_data
@pytest.mark.parametrize("archive", FLOORS)
def test_zero_shot_floors(small, archive):
    """Items that were not in training are named right often enough."""
    from rich.progress import Progress

    from evaluation.layouts.sensorium import naming
    from evaluation.vectors import Vectors
    from training.index import read_index

    items = [item for item in read_index(Path(DATA)) if (item.archive, item.split) == (archive, "val")]
    vectors = Vectors(small, Progress(disable=True))
    figures = naming(Path(DATA), archive, items).measure(vectors, ["sentences"])
    assert next(one.value for one in figures if one.measure == "top-1") >= FLOORS[archive]


@needs_data
def test_a_sentence_finds_every_sense(small):
    """Of the items of its modality, most of the five nearest to a sentence are of the right kind."""
    from training.index import read_index, split_of
    from training.material import samples_of

    wanted = [
        ("image", "a photo of a school bus", "bus"),
        ("audio", "a dog barking", "dog"),
        ("audio", "a rooster crows in the morning", "rooster"),
        ("imu", "a person running", "running"),
        ("thermal", "a thermal picture of a dog", "dog"),
    ]
    items = read_index(Path(DATA))
    for modality in ("image", "audio", "imu", "thermal"):
        own = [item for item in split_of(items, modality, "val") if item.archive != "images/cifar10.npz"]
        z = small.embed(modality, samples_of(Path(DATA), own))
        for _, said, concept in (one for one in wanted if one[0] == modality):
            nearest = np.argsort(-(z @ small.embed("text", [TextSample(said)])[0]))[:5]
            found = [concept in own[row].concept.split("|") for row in nearest]
            assert sum(found) >= 3, (said, [own[row].label for row in nearest])


def test_the_text_tower_ignores_padding():
    """Zeros after the end token change nothing."""
    tower = models.load("sensorium-small", modalities=["text"]).towers["text"].encoder
    row = torch.zeros(1, 77, dtype=torch.int64)
    row[0, :4] = torch.tensor([49_406, 320, 1929, 49_407])
    assert torch.allclose(tower(row), tower(row[:, :4]), atol=1e-5)


def test_mel_power_is_that_of_numpy():
    """Windowed frames, their power spectrum, all the filters: as by the definition, in float64."""
    waveforms = noise(2, sounds.CLIP_SAMPLES)
    padded = np.pad(waveforms, ((0, 0), (sounds.WINDOW // 2, sounds.WINDOW // 2)))
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(sounds.WINDOW) / sounds.WINDOW)
    starts = np.arange(sounds.FRAMES) * sounds.HOP
    frames = np.stack([padded[:, start : start + sounds.WINDOW] for start in starts], 1) * window
    expected = np.abs(np.fft.rfft(frames)) ** 2 @ sounds.mel_filters().double().numpy()
    made = sounds.mel_power(torch.from_numpy(waveforms))
    assert made.shape == (2, sounds.MELS, sounds.FRAMES)
    np.testing.assert_allclose(made.numpy(), expected.transpose(0, 2, 1), rtol=1e-4)
