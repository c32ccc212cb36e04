"""SENSORIUM_* variables that nobody reads, most likely mistyped."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

from service.settings import Settings

PREFIX = "SENSORIUM_"
# Read elsewhere than in the settings: the cache of weights, the client's key, and what tests take.
OTHERS = (
    "API_KEY",
    "CRASHES",
    "CRASH_SEED",
    "DATA",
    "FUZZ",
    "FUZZ_KEEP",
    "FUZZ_SEED",
    "MODEL_CACHE",
    "SLOW_TESTS",
)
# Kubernetes sets these for a service of the name `sensorium`, among them SENSORIUM_PORT=tcp://..
SERVICE_LINKS = ("SERVICE_", "PORT_")


def known_names() -> list[str]:
    """The variables that are read, without those of tests."""
    return sorted([*(f"{PREFIX}{name.upper()}" for name in Settings.model_fields), f"{PREFIX}MODEL_CACHE"])


def nearest(word: str) -> str | None:
    """The known variable whose name without the prefix is most like `word`."""
    words = [name.removeprefix(PREFIX) for name in known_names()]
    return next((f"{PREFIX}{each}" for each in get_close_matches(word, words, 1)), None)


def unread(environment: Mapping[str, str]) -> dict[str, str | None]:
    """Variable that nobody reads -> the known one that is most like it, None where none is."""
    known = {*known_names(), *(f"{PREFIX}{name}" for name in OTHERS)}
    found: dict[str, str | None] = {}
    for name in sorted(environment):
        word = name.upper()
        linked = word.removeprefix(PREFIX).startswith(SERVICE_LINKS)
        if word.startswith(PREFIX) and word not in known and not linked:
            found[name] = nearest(word.removeprefix(PREFIX))
    return found


def told(name: str, meant: str | None) -> str:
    """One such variable as a sentence."""
    return f"{name} is no setting and changes nothing" + (f"; did you mean {meant}?" if meant else "")
