"""The whole recipe as one value: the configuration of every stage, with changes from the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, TypeAlias, get_type_hints

import torch

from training import audio, depth, head, image, imu, thermal
from training.config import AlignConfig, HeadConfig, TextConfig

StageConfig: TypeAlias = TextConfig | AlignConfig | HeadConfig
COUNTS = ("steps", "batch", "samples", "check_every")  # fields that must be 1 or more
KINDS = {int: "a whole number", float: "a number", bool: "true or false"}
YES, NO = ("true", "yes", "1"), ("false", "no", "0")


class SettingError(ValueError):
    """A change of the recipe that cannot be made; the message names what is accepted."""


@dataclass(frozen=True)
class Recipe:
    """The stages in their order; each value is that stage's dataclass."""

    text: TextConfig = field(default_factory=TextConfig)
    image: AlignConfig = image.CONFIG
    head: HeadConfig = head.CONFIG  # the image tower's last layer
    audio: AlignConfig = audio.CONFIG
    imu: AlignConfig = imu.CONFIG
    thermal: AlignConfig = thermal.CONFIG
    depth: AlignConfig = depth.CONFIG

    def stages(self) -> dict[str, StageConfig]:
        return {stage.name: getattr(self, stage.name) for stage in fields(self)}


def overridden(recipe: Recipe, settings: Sequence[str]) -> Recipe:
    """The recipe with changes such as "image.steps=1000".

    Raises SettingError: no such stage, no such field, a value of the wrong type or out of range.
    """
    for setting in settings:
        place, equals, text = setting.partition("=")
        stage, dot, name = place.strip().partition(".")
        if not (equals and dot):
            raise SettingError(f"--set {setting}: accepted is STAGE.FIELD=VALUE, e.g. image.steps=1000")
        stages = recipe.stages()
        if stage not in stages:
            raise SettingError(f"--set {setting}: no stage {stage!r}; accepted are {', '.join(stages)}")
        config = stages[stage]
        accepted = get_type_hints(type(config))
        if name not in accepted:
            raise SettingError(
                f"--set {setting}: {stage} has no {name!r}; accepted are {', '.join(accepted)}"
            )
        value = _value(setting, name, text.strip(), accepted[name], getattr(config, name))
        recipe = _changed(recipe, stage, _changed(config, name, value))
    return recipe


def scaled(recipe: Recipe, factor: float) -> Recipe:
    """Every stage `factor` times as long, at least one step. Raises SettingError."""
    if not 0 < factor < float("inf"):
        raise SettingError(f"--steps-scale {factor:g}: accepted are numbers above 0")
    for name, config in recipe.stages().items():
        distilled = isinstance(config, TextConfig)
        length, least = ("samples", config.batch) if distilled else ("steps", 1)
        longer = max(least, round(getattr(config, length) * factor))
        recipe = _changed(recipe, name, _changed(config, length, longer))
    return recipe


def on_device(recipe: Recipe, device: str) -> Recipe:
    """Every stage on `device`. Raises SettingError where this machine has none of that name."""
    accepted = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    accepted += [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    if device not in accepted:
        raise SettingError(f"--device {device}: accepted here: {', '.join(accepted)}")
    for name, config in recipe.stages().items():
        recipe = _changed(recipe, name, _changed(config, "device", device))
    return recipe


def in_words(recipe: Recipe) -> str:
    """A line per stage: every field with its value."""
    return "\n".join(f"{name}: {_listed(config)}" for name, config in recipe.stages().items())


def differences(recipe: Recipe, recorded: dict[str, dict[str, Any]], stage: str) -> list[str]:
    """Recorded fields of a stage that differ and change what is learnt: "image.steps=500, now 1000"."""
    now, then = asdict(recipe.stages()[stage]), recorded.get(stage, {})
    changed = [
        name for name in then if name in now and name != "check_every" and _plain(now[name]) != then[name]
    ]
    return [f"{stage}.{name}={then[name]}, now {_plain(now[name])}" for name in changed]


def _changed(config: Any, name: str, value: object) -> Any:
    return replace(config, **{name: value})


def _plain(value: object) -> object:
    """As JSON gives it back."""
    return list(value) if isinstance(value, tuple) else value


def _listed(config: StageConfig) -> str:
    return ", ".join(f"{name}={value}" for name, value in asdict(config).items())


def _value(setting: str, name: str, text: str, kind: Any, before: object) -> object:
    """`text` as a value of the field's type. Raises SettingError."""
    if isinstance(before, tuple):
        parts = text.strip("()").split(",")
        if len(parts) != len(before):
            raise SettingError(f"--set {setting}: accepted are {len(before)} numbers with commas between")
        return tuple(_value(setting, name, part.strip(), float, 0.0) for part in parts)
    if kind is bool and text.lower() in YES + NO:
        return text.lower() in YES
    try:
        value = {int: int, float: float}[kind](text)
    except (KeyError, ValueError):
        raise SettingError(f"--set {setting}: {name} takes {KINDS[kind]}, not {text!r}") from None
    least = 1 if name in COUNTS else 0
    if not least <= value < float("inf"):
        raise SettingError(f"--set {setting}: {name} takes {KINDS[kind]} from {least} on")
    return value
