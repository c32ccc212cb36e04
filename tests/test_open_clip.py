"""open_clip's models behind our contract: its own transform, tokenizer and vectors."""

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

import models
from models.errors import MediaError, UnknownModelError, WeightsError

NAME = "open_clip:ViT-S-32/none"  # one of the smallest
TEXTS = ["a photo of a dog", "", "Ünïcode & <b>tags</b>", "word " * 200]
random = np.random.default_rng(11)
PICTURES = [random.integers(0, 256, shape, np.uint8) for shape in [(90, 130, 3), (400, 224, 3), (1, 1, 3)]]


@pytest.fixture(scope="module")
def embedder():
    return models.load(NAME)


@pytest.fixture(scope="module")
def state(embedder):
    return embedder.tower("image").encoder.model.state_dict()


@pytest.fixture(scope="module")
def reference(state):
    """The same architecture made by open_clip itself, with the same values, and its transform."""
    model, _, transform = open_clip.create_model_and_transforms("ViT-S-32")
    model.load_state_dict(state)
    return model.eval(), transform


def test_images_are_those_of_open_clip(embedder, reference):
    """encode_image of open_clip's own evaluation transform, normalised."""
    model, transform = reference
    pictures = torch.stack([transform(Image.fromarray(picture)) for picture in PICTURES])
    with torch.no_grad():
        expected = model.encode_image(pictures, normalize=True).numpy()
    ours = embedder.embed("image", [models.ImageSample(picture) for picture in PICTURES])
    assert np.abs(ours - expected).max() < 1e-6


def test_texts_are_those_of_open_clip(embedder, reference):
    """encode_text of open_clip's own tokenizer, normalised; empty and over-long texts too."""
    with torch.no_grad():
        expected = reference[0].encode_text(open_clip.get_tokenizer("ViT-S-32")(TEXTS), normalize=True)
    ours = embedder.embed("text", [models.TextSample(text) for text in TEXTS])
    assert np.abs(ours - expected.numpy()).max() < 1e-6


def test_a_long_text_says_that_it_was_cut(embedder):
    """As for our own models."""
    assert embedder.prepare("text", models.TextSample(TEXTS[3])).notes == ("text cut to 77 tokens",)
    assert embedder.prepare("text", models.TextSample(TEXTS[0])).notes == ()


def test_token_ids_stand_for_their_text(embedder):
    """Without start and end, or with them."""
    ids = tuple(open_clip.get_tokenizer("ViT-S-32").encode(TEXTS[0]))
    samples = [models.TextSample(tokens=given) for given in (ids, (49_406, *ids, 49_407))]
    expected = embedder.embed("text", [models.TextSample(TEXTS[0])])
    assert np.abs(embedder.embed("text", samples) - expected).max() < 1e-6
    with pytest.raises(MediaError, match="49407"):
        embedder.prepare("text", models.TextSample(tokens=(50_000,)))


def test_videos_are_five_evenly_spaced_frames(embedder):
    """The mean of the unit vectors of first, last and three frames between."""
    frames = random.integers(0, 256, (9, 60, 80, 3), np.uint8)

    class Source:
        def frames(self, numbers):
            return frames[numbers]

        def each(self, numbers):
            return iter(frames[numbers])

    film = models.VideoSample(Source(), 9, 3.0, np.arange(9, dtype=np.float32) / 3)
    singles = embedder.embed("image", [models.ImageSample(frames[i]) for i in (0, 2, 4, 6, 8)])
    mean = singles.mean(0) / np.linalg.norm(singles.mean(0))
    assert np.abs(embedder.embed("video", [film])[0] - mean).max() < 1e-6


def test_random_weights_depend_on_the_name_alone(embedder):
    """Loaded again: same vectors, same identity; torch's generator goes on as if nothing had been drawn."""
    torch.manual_seed(99)
    expected = torch.rand(1)
    torch.manual_seed(99)
    again = models.load(NAME)
    assert torch.equal(torch.rand(1), expected)
    sample = models.TextSample("a cat")
    assert np.array_equal(again.embed("text", [sample]), embedder.embed("text", [sample]))
    assert again.identity == embedder.identity


def test_weights_from_a_path(tmp_path, embedder, state):
    """A state dict of open_clip, as torch.save writes it; other values are another identity."""
    changed = {key: value.clone() for key, value in state.items()}
    changed["visual.conv1.weight"] += 1
    torch.save(changed, tmp_path / "other.pt")
    other = models.load("open_clip:ViT-S-32/mine", weights=tmp_path / "other.pt", modalities=["image"])
    assert (other.modalities, other.dim) == (("image",), embedder.dim)
    assert other.identity != embedder.identity


@pytest.mark.parametrize(
    ("name", "message"), [("ViT-Z-99/none", "ViT-"), ("ViT-S-32/moon", "none"), ("", "convnext_base")]
)
def test_unknown_architectures_and_tags_are_refused(name, message):
    """Some that exist are named."""
    with pytest.raises(UnknownModelError, match=message):
        models.load(f"open_clip:{name}")


@pytest.mark.parametrize("content", [None, b"", b"noise"])
def test_weights_that_cannot_be_read_are_refused(tmp_path, content):
    """Absent, empty, noise."""
    path = tmp_path / "weights.pt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"weights\.pt"):
        models.load("open_clip:ViT-S-32/mine", weights=path)


def test_weights_of_another_architecture_are_refused(tmp_path, state):
    """open_clip's own complaint, as our error."""
    torch.save({"visual.conv1.weight": state["visual.conv1.weight"]}, tmp_path / "part.pt")
    with pytest.raises(WeightsError, match="ViT-S-32"):
        models.load("open_clip:ViT-S-32/mine", weights=tmp_path / "part.pt")
