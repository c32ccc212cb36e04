"""Says what stands in a scene."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

NUMBERS = ("no", "a", "two", "three", "four", "five", "six")
PLURALS = {
    "shelf": "shelves",
    "person": "people",
    "sheep": "sheep",
    "torus": "tori",
    "box": "boxes",
    "glass": "glasses",
}


def article(name: str) -> str:
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def plural(name: str) -> str:
    """Of the last word: "red boxes"."""
    before, _, last = name.rpartition(" ")
    return f"{before} {PLURALS.get(last, last + 's')}".strip()


def counted(name: str, count: int) -> str:
    """By its number: "a chair", "three chairs", "several chairs"."""
    if count == 1:
        return article(name)
    return f"{NUMBERS[count] if count < len(NUMBERS) else 'several'} {plural(name)}"


def listed(names: Sequence[str]) -> str:
    """As in "a table, three chairs and a lamp", in the order of first mention."""
    parts = [counted(name, count) for name, count in Counter(names).items()]
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
