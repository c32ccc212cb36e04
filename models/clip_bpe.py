"""CLIP's byte-pair tokenizer (Radford et al. 2021): open_clip's vocabulary, ImageBind's special strings.

open_clip's tokenizer file is loaded by itself: importing the package takes seconds, most of a start.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

CONTEXT = 77  # tokens, start and end included
VOCABULARY = 49_408
START, END, PADDING = 49_406, 49_407, 0
# open_clip remembers every word it ever met; a service would grow by what strangers send.
CACHED_WORDS, LONGEST_CACHED = 100_000, 64  # words, characters of one
# Characters of a text that are read at all. 75 tokens are rarely 400; merging pairs of a word that
# never ends takes time with the square of its length.
READ_AT_MOST = 4096
# ImageBind reads these strings in a user's text as the tokens themselves (multimodal_preprocessors.py).
SPECIAL = {"<|startoftext|>": START, "<|endoftext|>": END}
T = TypeVar("T")


def _module() -> Any:
    package = importlib.util.find_spec("open_clip")
    if package is None or package.origin is None:
        raise ImportError("open_clip_torch carries the CLIP vocabulary and has to be installed")
    file = Path(package.origin).parent / "tokenizer.py"
    spec = importlib.util.spec_from_file_location("open_clip_tokenizer", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


class Words(dict[str, T]):
    """A cache that fills up and never forgets: threads look a word up in two steps, so none may vanish."""

    def __setitem__(self, word: str, what: T) -> None:
        if len(self) < CACHED_WORDS and len(word) <= LONGEST_CACHED:
            super().__setitem__(word, what)


class Unteachable(dict[str, str]):
    """What open_clip's tokenizer remembers of words: nothing beyond what it is given here."""

    def __setitem__(self, word: str, pairs: str) -> None:
        pass


IDS: Words[tuple[int, ...]] = Words()
"""Ids of words as the text has them."""


@cache
def _tokenizer() -> Any:
    module = _module()
    tokenizer = module.SimpleTokenizer()
    pattern = tokenizer.pat.pattern.replace(
        "<start_of_text>|<end_of_text>", "|".join(map(re.escape, SPECIAL))
    )
    tokenizer.pat = module.re.compile(pattern, tokenizer.pat.flags)
    tokenizer.cache = Unteachable({text: text for text in SPECIAL})
    tokenizer.encoder.update(SPECIAL)
    return tokenizer


def _clean(text: str) -> str:
    """Folded in space and case, mojibake and HTML repaired; in printable ASCII there is none of the first."""
    if text.isascii() and text.isprintable() and "&" not in text:
        return " ".join(text.split()).lower()
    cleaned: str = _tokenizer().clean_fn(text)
    return cleaned


def _ids(word: str) -> tuple[int, ...]:
    ids = IDS.get(word)
    if ids is None:
        tokenizer = _tokenizer()
        pairs = tokenizer.bpe("".join(tokenizer.byte_encoder[byte] for byte in word.encode()))
        ids = IDS[word] = tuple(tokenizer.encoder[pair] for pair in pairs.split(" "))
    return ids


def encode(text: str) -> list[int]:
    """Token ids of a text, without start and end. Repairs mojibake, unescapes HTML, folds space and case.

    As open_clip's `SimpleTokenizer.encode`, with whole words remembered. If `regex` let go of Python's lock,
    as it does by itself, it would wait for it longer than it searches.
    """
    return [id_ for word in _tokenizer().pat.findall(_clean(text), concurrent=False) for id_ in _ids(word)]


def row(ids: Sequence[int]) -> tuple[list[int], bool]:
    """Ids -> a row of CONTEXT ids with start, end and padding; and whether it had to be cut."""
    body = [START, *ids, END]
    cut = len(body) > CONTEXT
    if cut:
        body = [*body[: CONTEXT - 1], END]
    return body + [PADDING] * (CONTEXT - len(body)), cut
