"""How a name is said: CLIP's templates, the same for other senses, and none."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import MappingProxyType

from evaluation.errors import EvaluationError
from training.names import sentences

# What stands for "photo" in CLIP's templates where the item is none.
NOUNS = MappingProxyType(
    {
        "audio": ("sound", "recording"),
        "depth": ("depth map", "depth map"),
        "thermal": ("thermal image", "thermal image"),
        "imu": ("movement", "recording"),
    }
)
SHORT = MappingProxyType(
    {
        "image": ("a photo of a {}.",),
        "audio": ("this is a sound of {}.",),
        "depth": ("a depth map of a {}.",),
        "thermal": ("a thermal image of a {}.",),
        "imu": ("a person {}.",),
    }
)


@cache
def clip_templates() -> tuple[str, ...]:
    """The 80 ImageNet templates of CLIP (Radford et al. 2021), as open_clip carries them."""
    from open_clip.zero_shot_metadata import (  # noqa: PLC0415 - takes seconds
        OPENAI_IMAGENET_TEMPLATES as CLIP_80,
    )

    return tuple(template("{}") for template in CLIP_80)


@cache
def clip_short_templates() -> tuple[str, ...]:
    """The 7 that CLIP's authors found to give most of the gain."""
    from open_clip.zero_shot_metadata import (  # noqa: PLC0415 - takes seconds
        SIMPLE_IMAGENET_TEMPLATES as CLIP_7,
    )

    return tuple(template("{}") for template in CLIP_7)


def in_words_of(modality: str, template: str) -> str:
    """The template with the modality's noun in place of photo, picture and the like."""
    if modality not in NOUNS:
        return template
    thing, record = NOUNS[modality]
    return re.sub(r"\b(?:picture|rendering|drawing|sketch)\b", record, re.sub(r"\bphoto\b", thing, template))


def _bare(_: str, name: str) -> list[str]:
    return [name]


def _short(modality: str, name: str) -> list[str]:
    return [template.format(name) for template in SHORT[modality]]


def _clip(_: str, name: str) -> list[str]:
    return [template.format(name) for template in clip_templates()]


def _clip_short(_: str, name: str) -> list[str]:
    return [template.format(name) for template in clip_short_templates()]


def _imagebind(modality: str, name: str) -> list[str]:
    return list(dict.fromkeys(in_words_of(modality, said).format(name) for said in clip_templates()))


# (modality, name) -> the sentences whose mean stands for the name.
Prompts = Callable[[str, str], Sequence[str]]
PROMPTS: Mapping[str, Prompts] = MappingProxyType(
    {
        "bare": _bare,
        "short": _short,
        "clip-80": _clip,
        "clip-7": _clip_short,
        "imagebind": _imagebind,
        "sentences": sentences,
    }
)


def expect_prompts(names: Sequence[str]) -> None:
    """Raises EvaluationError."""
    unknown = [name for name in names if name not in PROMPTS]
    if unknown:
        raise EvaluationError(f"there are no prompts {unknown[0]!r}; accepted are {', '.join(PROMPTS)}")
