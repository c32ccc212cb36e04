"""What the weights tell searches about pairs of modalities."""

import pytest
import torch

from training import background
from training.background import Cloud, background_of, named_in, width


def cloud(strength, concepts, seed, each=12, dimension=48):
    """`strength`: how far items lie in the direction of their concept."""
    directions = torch.nn.functional.normalize(
        torch.randn(concepts, dimension, generator=torch.Generator().manual_seed(0)), dim=1
    )
    noise = torch.randn(concepts * each, dimension, generator=torch.Generator().manual_seed(seed))
    z = strength * directions.repeat_interleave(each, 0) + noise / dimension**0.5
    return Cloud(
        torch.nn.functional.normalize(z, dim=1), [str(i) for i in range(concepts) for _ in range(each)]
    )


def test_captions_say_what_they_name():
    """Whole words, singular, plural or a word for a person; several are joined."""
    said = ["Two dogs chase a man.", "A hotdog", "a sea wave", "Fire trucks"]
    assert named_in(said, ["dog", "person", "fire"]) == ["dog|person", "", "", "fire"]


def test_a_pair_that_finds_well_counts_its_distances_for_more():
    """Matches far above the mean and matches just above it: at equal height the better pair is surer."""
    torch.manual_seed(0)
    related = torch.rand(200, 10) < 0.5
    asked = [str(i) for i in range(200)]
    sharp = torch.where(related, 6.0, 1.0) + 0.1 * torch.randn(200, 10)
    blunt = torch.where(related, 12.0, 8.0) + 2 * torch.randn(200, 10)
    assert width(sharp, related, asked) < 1 < width(blunt, related, asked)


def test_the_even_point_is_where_half_are_related():
    """Heights between 4 and 12 that are related above 8: EVEN spreads make 8."""
    heights = torch.linspace(4, 12, 4000).reshape(400, 10)
    found = width(heights, heights > 8, [str(i) for i in range(400)])
    assert found * background.EVEN == pytest.approx(8, rel=0.06)


def test_few_concepts_leave_the_standard_deviation_nearly_alone():
    """Thousands of queries about one thing are one observation."""
    heights, related = torch.full((3000, 10), 2.0), torch.ones(3000, 10, dtype=torch.bool)
    assert width(heights, related, ["kitchen"] * 3000) > 0.3
    assert width(heights, related, [str(i) for i in range(3000)]) < 0.3


def test_every_pair_has_a_mean_and_a_spread():
    """Unknown items count nowhere, an item is no match of itself, and video is as image."""
    image, audio = cloud(1.0, 8, 1), cloud(3.0, 8, 2)
    image.shown[:3] = ["", "", ""]
    said = cloud(2.0, 8, 3, each=4)
    found = background_of({"text": cloud(1.0, 8, 4), "image": image, "audio": audio}, said)
    assert set(found) == {"text", "image", "audio", "video"}
    assert all(set(row) == set(found) for row in found.values())
    assert all(abs(mean) < 1 and 0 < spread < 1 for row in found.values() for mean, spread in row.values())
    assert found["video"] == found["image"]
    assert found["text"]["video"] == found["text"]["image"]
