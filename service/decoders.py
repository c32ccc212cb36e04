"""Threads that make views of inputs: those of media, and those of texts, which never wait behind a film."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from models.machine import use_threads

TEXT_THREADS = 2


class Decoders:
    """`media`: `threads` of them, one processor each, so that the encoder does not wait for theirs.

    `texts`: for the tokenizer.
    """

    def __init__(self, threads: int) -> None:
        self.media = ThreadPoolExecutor(threads, "decode", use_threads, (1,))
        self.texts = ThreadPoolExecutor(min(TEXT_THREADS, threads), "tokenize", use_threads, (1,))

    def shutdown(self) -> None:
        """What runs is not waited for: nothing of it can be stored any more."""
        for threads in (self.media, self.texts):
            threads.shutdown(wait=False, cancel_futures=True)
