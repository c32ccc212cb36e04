"""Threads that make views of inputs: those of media, and those of texts, which never wait behind a film."""

from __future__ import annotations

from functools import partial

from models.machine import use_threads
from service.threads import FirstFree

TEXT_THREADS = 2


class Decoders:
    """`media`: `threads` of them, one processor each, so that the encoder does not wait for theirs.

    `texts`: for the tokenizer.
    """

    def __init__(self, threads: int) -> None:
        alone = partial(use_threads, 1)
        self.media = FirstFree(threads, "decode", alone)
        self.texts = FirstFree(min(TEXT_THREADS, threads), "tokenize", alone)

    def shutdown(self) -> None:
        """What runs is not waited for: nothing of it can be stored any more."""
        for threads in (self.media, self.texts):
            threads.shutdown(wait=False, cancel_futures=True)
