"""Labels and prompt templates as requests give them, and the vectors that stand for labels."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import orjson
from pydantic import AfterValidator, WithJsonSchema

from models import prompts
from models.errors import ParameterError
from service.batch import Vector
from service.errors import LocatedError, TooLargeError
from service.label_sets import Templates, keep_vectors, kept_vectors
from service.parts import Part, Text
from service.serving import Served
from service.vectorizer import unit

MOST_LABELS = 10_000
MOST_TEMPLATES = 1_000
# Prompts (labels times templates) of one request, and of a label set, whose vectors are made only once.
MOST_PROMPTS = 10_000
MOST_STORED_PROMPTS = 100_000
PROMPTS_AT_A_TIME = 64
CACHE_BYTES = 128 * 2**20


def fault(message: str, where: str) -> LocatedError:
    return LocatedError(ParameterError(message), where)


def checked_labels(labels: Any, where: str = "labels") -> tuple[str, ...]:
    """Labels that can be told apart. Raises LocatedError around ParameterError or TooLargeError."""
    if not isinstance(labels, list) or not labels:
        raise fault(f"`{where}` has to be a list of at least one label", where)
    if len(labels) > MOST_LABELS:
        message = f"{len(labels)} labels; at most {MOST_LABELS} are allowed"
        raise LocatedError(TooLargeError(message), where)
    first: dict[str, int] = {}
    for i, label in enumerate(labels):
        if not isinstance(label, str) or not label.strip():
            raise fault("a label is a string that is not empty", f"{where}[{i}]")
        if label in first:
            message = f"the label {label[:80]!r} is there twice, first as {where}[{first[label]}]"
            raise fault(message, f"{where}[{i}]")
        first[label] = i
    return tuple(labels)


def checked_templates(given: Any, where: str = "templates") -> Templates:
    """A name of prompts, or prompts with a place for the label. Raises LocatedError."""
    if isinstance(given, str):
        if given not in prompts.NAMES:
            known = ", ".join(prompts.NAMES)
            raise fault(
                f"no templates {given[:80]!r}; `{where}` is a list of prompts, or one of {known}", where
            )
        return given
    if not isinstance(given, list) or not given:
        known = ", ".join(prompts.NAMES)
        raise fault(f"`{where}` is a list of at least one prompt, or one of {known}", where)
    if len(given) > MOST_TEMPLATES:
        message = f"{len(given)} templates; at most {MOST_TEMPLATES} are allowed"
        raise LocatedError(TooLargeError(message), where)
    for i, template in enumerate(given):
        if not isinstance(template, str) or prompts.PLACE not in template:
            message = f"the template {str(template)[:80]!r} has no {{}} where the label goes"
            raise fault(message, f"{where}[{i}]")
    return tuple(given)


def check_prompts(labels: Sequence[str], templates: Templates, most: int = MOST_PROMPTS) -> None:
    """Raise LocatedError where labels times templates are more than `most`."""
    longest = max(len(spoken(templates, modality)) for modality in ("image", "audio"))
    count = len(labels) * longest
    if count > most:
        message = f"{count} prompts (labels times templates); at most {most} are allowed"
        message += "" if most > MOST_PROMPTS else f", or {MOST_STORED_PROMPTS} in a label set"
        raise LocatedError(TooLargeError(message), "labels")


def _checked(labels: Any) -> tuple[str, ...] | None:
    return None if labels is None else checked_labels(labels)


def _spoken(templates: Any) -> Templates | None:
    return None if templates is None else checked_templates(templates)


TEXTS = {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1}
# Fields of a request; null counts as left out.
LabelsField = Annotated[Any, AfterValidator(_checked), WithJsonSchema({**TEXTS, "maxItems": MOST_LABELS})]
TemplatesField = Annotated[
    Any,
    AfterValidator(_spoken),
    WithJsonSchema({"anyOf": [{"enum": list(prompts.NAMES)}, {**TEXTS, "maxItems": MOST_TEMPLATES}]}),
]


def spoken(templates: Templates, modality: str) -> Sequence[str]:
    """The templates for items of a modality."""
    return prompts.templates(templates, modality) if isinstance(templates, str) else templates


@dataclass(frozen=True)
class Labels:
    """What inputs are compared with; `folder` keeps the vectors of a stored set."""

    labels: Sequence[str]
    templates: Templates
    folder: Path | None = None

    def key(self, model: Served, modality: str) -> str:
        """A name for the vectors: other weights, words or templates have another one."""
        facts = [
            model.embedder.identity,
            model.embedder.precision,
            self.labels,
            spoken(self.templates, modality),
        ]
        return hashlib.sha256(orjson.dumps(facts)).hexdigest()[:32]


@dataclass(eq=False)
class Growing:
    """The vectors of the first labels, while they are made; `whole` once all are there."""

    rows: list[npt.NDArray[np.float32]] = field(default_factory=list)
    whole: Vector | None = None
    making: asyncio.Lock = field(default_factory=asyncio.Lock)


class LabelVectors:
    """The vectors of the labels asked for last, so that the same ones cost nothing the next time.

    What a request that is refused or left had made already is there for the next one.
    """

    def __init__(self, most_bytes: int = CACHE_BYTES) -> None:
        self.most_bytes = most_bytes
        self._known: OrderedDict[str, Growing] = OrderedDict()

    async def by_modality(
        self, model: Served, labels: Labels, modalities: Sequence[str]
    ) -> Mapping[str, Vector]:
        """(labels, dim) for each of the modalities that are to be named."""
        made = {modality: await self.of(model, labels, modality) for modality in dict.fromkeys(modalities)}
        return MappingProxyType(made)

    async def of(self, model: Served, labels: Labels, modality: str) -> Vector:
        """(labels, dim): a label is the unit mean of its prompts' unit vectors. Raises OverloadedError."""
        key = labels.key(model, modality)
        growing = self._known.setdefault(key, Growing())
        self._known.move_to_end(key)
        async with growing.making:
            if growing.whole is None:
                shape = (len(labels.labels), model.embedder.dim)
                kept = await asyncio.to_thread(kept_vectors, labels.folder, key, shape)
                growing.whole = await self._made(model, labels, modality, growing) if kept is None else kept
                if kept is None:
                    await asyncio.to_thread(keep_vectors, labels.folder, key, growing.whole)
                growing.rows.clear()
        self._forget()
        return growing.whole

    async def _made(self, model: Served, labels: Labels, modality: str, growing: Growing) -> Vector:
        templates = spoken(labels.templates, modality)
        at_a_time = max(1, PROMPTS_AT_A_TIME // len(templates))
        while (done := len(growing.rows)) < len(labels.labels):
            following = labels.labels[done : done + at_a_time]
            growing.rows += await _means(model, following, templates, done)
        return np.stack(growing.rows)

    def _forget(self) -> None:
        """Let go of what has not been asked for the longest, the last one never."""
        held = [(key, each.whole.nbytes) for key, each in self._known.items() if each.whole is not None]
        excess = sum(size for _, size in held) - self.most_bytes
        for key, size in held[:-1]:
            if excess <= 0:
                break
            del self._known[key]
            excess -= size


async def _means(
    model: Served, labels: Sequence[str], templates: Sequence[str], first: int
) -> list[npt.NDArray[np.float32]]:
    """One row for each label; `first` is the place of the first one in the request."""
    parts = [
        Part(Text(template.replace(prompts.PLACE, label)), f"labels[{first + i}]")
        for i, label in enumerate(labels)
        for template in templates
    ]
    slices = [parts[i : i + PROMPTS_AT_A_TIME] for i in range(0, len(parts), PROMPTS_AT_A_TIME)]
    embedded = [one for each in slices for one in await model.vectorizer.embed_all(each)]
    vectors = np.stack([one.vector for one in embedded]).astype(np.float64)
    means = vectors.reshape(len(labels), len(templates), -1).mean(axis=1)
    return [unit(mean).astype(np.float32) for mean in means]
