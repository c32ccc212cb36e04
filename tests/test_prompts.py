"""The published prompt templates, held to where they were published."""

import pytest

from models.prompts import CLIP_7, CLIP_80, NAMES, in_words_of, templates


def test_clips_templates_are_those_that_open_clip_carries():
    """All eighty and the seven, in their order."""
    metadata = pytest.importorskip("open_clip.zero_shot_metadata")
    assert [template("{}") for template in metadata.OPENAI_IMAGENET_TEMPLATES] == list(CLIP_80)
    assert [template("{}") for template in metadata.SIMPLE_IMAGENET_TEMPLATES] == list(CLIP_7)
    assert (len(set(CLIP_80)), len(set(CLIP_7))) == (80, 7)
    assert set(CLIP_7) <= set(CLIP_80)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("modality", ["text", "image", "video", "audio", "depth", "thermal", "imu", "touch"])
def test_every_template_has_a_place_for_the_label(name, modality):
    """In every set, for every modality, senses of one's own among them; and none comes twice."""
    found = templates(name, modality)
    assert found
    assert all("{}" in template for template in found)
    assert len(set(found)) == len(found)


def test_senses_that_are_no_photos_are_not_called_so():
    """A sound of a dog, a depth map of a chair; pictures keep CLIP's own words."""
    assert in_words_of("audio", "a bad photo of a {}.") == "a bad sound of a {}."
    assert in_words_of("thermal", "a sketch of the {}.") == "a thermal image of the {}."
    assert templates("imagebind", "image") == CLIP_80
    assert not any("photo" in template for template in templates("imagebind", "depth"))
    assert templates("short", "imu") == ("a person {}.",)
    assert templates("short", "text") == ("{}",)
