"""The corpus of the text distillation: captions, named labels, and phrases made from the vocabulary."""

# ruff: noqa: S311 - draws training material, no secrets
from __future__ import annotations

import csv
import gzip
import random
from pathlib import Path

from open_clip.tokenizer import SimpleTokenizer

from training.index import names_by_modality, read_captions, read_index
from training.names import sentences

FRAMES = (
    "{a}",
    "a {a}",
    "{a} {b}",
    "a photo of a {a}",
    "the sound of a {a}",
    "a {a} {b}",
    "a {a} and a {b}",
    "the {a} of a {b}",
    "a person with a {a}",
    "{a} near the {b}",
)
VAL_SPLITS = {"val", "validation", "test", "evaluation"}


def captions(data: Path) -> tuple[list[str], list[str]]:
    """(train, val) sentences of AudioCaps, Clotho and Flickr8k."""
    parts: tuple[list[str], list[str]] = ([], [])
    for name in ("audiocaps", "clotho"):
        for row in _rows(data / f"text/{name}.csv.gz"):
            parts[row["split"] in VAL_SPLITS].append(row["caption"])
    held = {row["caption"] for row in read_captions(data) if row["split"] == "val"}
    for row in _rows(data / "text/flickr8k_captions.csv.gz"):
        parts[row["caption"] in held].append(row["caption"])
    return list(dict.fromkeys(parts[0])), list(dict.fromkeys(parts[1]))


def _rows(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def named(data: Path) -> list[str]:
    """Every label in every template."""
    names = names_by_modality(read_index(data))
    return [
        s for modality in names if modality != "mesh" for n in names[modality] for s in sentences(modality, n)
    ]


def words() -> list[str]:
    """Whole words of the byte-pair vocabulary, the common ones first."""
    whole = (token.removesuffix("</w>") for token in SimpleTokenizer().encoder if token.endswith("</w>"))
    return [word for word in whole if word.isascii() and word.isalpha() and len(word) > 2]


def made_up(vocabulary: list[str], count: int, rng: random.Random) -> list[str]:
    """`count` phrases that walk through the whole vocabulary, so that every word is taught."""
    return [
        rng.choice(FRAMES).format(a=vocabulary[i % len(vocabulary)], b=rng.choice(vocabulary[:20_000]))
        for i in range(count)
    ]


def corpus(data: Path, phrases: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """(train, val): val is unseen captions, then 1000 unseen made-up phrases."""
    rng = random.Random(seed)
    train, val = captions(data)
    vocabulary = words()
    rng.shuffle(vocabulary)
    train += named(data) + made_up(vocabulary, phrases, rng)
    val = rng.sample(val, min(3000, len(val))) + made_up(vocabulary[::40], 1000, random.Random(seed + 1))
    return train, val
