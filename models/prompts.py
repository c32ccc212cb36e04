"""How a label is said: the published prompt templates and ours, by name and modality.

`clip-80` and `clip-7`: the ImageNet templates of CLIP (Radford et al. 2021), all, and those seven that its
authors found to give most of the gain (notebooks/Prompt_Engineering_for_ImageNet.ipynb of openai/CLIP, MIT).
`imagebind`: ImageBind (Girdhar et al. 2023) was measured with CLIP's templates; the wording for senses other
than images was not published, so there the noun of the sense stands for "photo", "picture" and the like.
`short`: one sentence for each sense. For sounds that of CLAP (Elizalde et al. 2023); the others are ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

PLACE = "{}"
CLIP_80: Sequence[str] = (
    "a bad photo of a {}.",
    "a photo of many {}.",
    "a sculpture of a {}.",
    "a photo of the hard to see {}.",
    "a low resolution photo of the {}.",
    "a rendering of a {}.",
    "graffiti of a {}.",
    "a bad photo of the {}.",
    "a cropped photo of the {}.",
    "a tattoo of a {}.",
    "the embroidered {}.",
    "a photo of a hard to see {}.",
    "a bright photo of a {}.",
    "a photo of a clean {}.",
    "a photo of a dirty {}.",
    "a dark photo of the {}.",
    "a drawing of a {}.",
    "a photo of my {}.",
    "the plastic {}.",
    "a photo of the cool {}.",
    "a close-up photo of a {}.",
    "a black and white photo of the {}.",
    "a painting of the {}.",
    "a painting of a {}.",
    "a pixelated photo of the {}.",
    "a sculpture of the {}.",
    "a bright photo of the {}.",
    "a cropped photo of a {}.",
    "a plastic {}.",
    "a photo of the dirty {}.",
    "a jpeg corrupted photo of a {}.",
    "a blurry photo of the {}.",
    "a photo of the {}.",
    "a good photo of the {}.",
    "a rendering of the {}.",
    "a {} in a video game.",
    "a photo of one {}.",
    "a doodle of a {}.",
    "a close-up photo of the {}.",
    "a photo of a {}.",
    "the origami {}.",
    "the {} in a video game.",
    "a sketch of a {}.",
    "a doodle of the {}.",
    "a origami {}.",
    "a low resolution photo of a {}.",
    "the toy {}.",
    "a rendition of the {}.",
    "a photo of the clean {}.",
    "a photo of a large {}.",
    "a rendition of a {}.",
    "a photo of a nice {}.",
    "a photo of a weird {}.",
    "a blurry photo of a {}.",
    "a cartoon {}.",
    "art of a {}.",
    "a sketch of the {}.",
    "a embroidered {}.",
    "a pixelated photo of a {}.",
    "itap of the {}.",
    "a jpeg corrupted photo of the {}.",
    "a good photo of a {}.",
    "a plushie {}.",
    "a photo of the nice {}.",
    "a photo of the small {}.",
    "a photo of the weird {}.",
    "the cartoon {}.",
    "art of the {}.",
    "a drawing of the {}.",
    "a photo of the large {}.",
    "a black and white photo of a {}.",
    "the plushie {}.",
    "a dark photo of a {}.",
    "itap of a {}.",
    "graffiti of the {}.",
    "a toy {}.",
    "itap of my {}.",
    "a photo of a cool {}.",
    "a photo of a small {}.",
    "a tattoo of the {}.",
)
CLIP_7: Sequence[str] = (
    "itap of a {}.",
    "a bad photo of the {}.",
    "a origami {}.",
    "a photo of the large {}.",
    "a {} in a video game.",
    "art of the {}.",
    "a photo of the small {}.",
)
# What stands for "photo" and for "picture" in CLIP's templates where the item is none.
NOUNS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "audio": ("sound", "recording"),
        "depth": ("depth map", "depth map"),
        "thermal": ("thermal image", "thermal image"),
        "imu": ("movement", "recording"),
    }
)
SHORT: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "image": ("a photo of a {}.",),
        "video": ("a photo of a {}.",),
        "audio": ("this is a sound of {}.",),
        "depth": ("a depth map of a {}.",),
        "thermal": ("a thermal image of a {}.",),
        "imu": ("a person {}.",),
    }
)
BARE: Sequence[str] = (PLACE,)
# The same for every modality.
FIXED: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "plain": BARE,
        "clip-80": CLIP_80,
        "clip-7": CLIP_7,
        "photo": ("a photo of a {}.", "a picture of a {}.", "{}"),
        "sound": ("the sound of {}.", "a recording of {}.", "{}"),
        "depth": ("a depth map of a {}.", "a photo of a {}.", "{}"),
        "thermal": ("a thermal photo of a {}.", "an infrared picture of a {}.", "{}"),
        "movement": ("a person {}.", "{}"),
    }
)
BY_MODALITY = ("short", "imagebind")
NAMES = (*FIXED, *BY_MODALITY)


def in_words_of(modality: str, template: str) -> str:
    """The template with the modality's noun in place of photo, picture and the like."""
    if modality not in NOUNS:
        return template
    thing, record = NOUNS[modality]
    return re.sub(r"\b(?:picture|rendering|drawing|sketch)\b", record, re.sub(r"\bphoto\b", thing, template))


def templates(name: str, modality: str) -> Sequence[str]:
    """The templates called `name` (one of NAMES) for items of a modality; `{}` is where the label goes.

    A modality without words of its own (text, a bound sense) is named by the bare label in `short`.
    """
    if name == "short":
        return SHORT.get(modality, BARE)
    if name == "imagebind":
        return tuple(dict.fromkeys(in_words_of(modality, template) for template in CLIP_80))
    return FIXED[name]
