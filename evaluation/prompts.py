"""How a name is said: a prompt set of `models/prompts.py`, or the sentences of the training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType

from evaluation.errors import EvaluationError
from models.prompts import templates
from training.names import sentences


def said(prompts: str, modality: str, name: str) -> list[str]:
    """The sentences of a prompt set for one name."""
    return [template.replace("{}", name) for template in templates(prompts, modality)]


# (modality, name) -> the sentences whose mean stands for the name.
Prompts = Callable[[str, str], Sequence[str]]
PROMPTS: Mapping[str, Prompts] = MappingProxyType(
    {
        "bare": partial(said, "plain"),
        "short": partial(said, "short"),
        "clip-80": partial(said, "clip-80"),
        "clip-7": partial(said, "clip-7"),
        "imagebind": partial(said, "imagebind"),
        "sentences": sentences,
    }
)


def expect_prompts(names: Sequence[str]) -> None:
    """Raises EvaluationError."""
    unknown = [name for name in names if name not in PROMPTS]
    if unknown:
        raise EvaluationError(f"there are no prompts {unknown[0]!r}; accepted are {', '.join(PROMPTS)}")
