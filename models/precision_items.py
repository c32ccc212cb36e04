"""The items of a batch side by side on the processor's threads, a few at a time on each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import torch
from torch import nn

from models.machine import use_threads

# Numbers that a worker is woken for: two sentences are sooner read by all threads together.
WORTH = 160_000


class Stack(nn.ModuleList):
    """Parts that follow each other, each item on its own: (n, *shape), .. -> the same shape."""

    def forward(self, x: torch.Tensor, *rest: torch.Tensor | None) -> torch.Tensor:
        for part in self:
            x = part(x, *rest)
        return x


@cache
def _workers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count() or 1, "items")


class SideBySide(nn.Module):
    """A `stack` with a few items at a time, so that what its layers hand to each other stays in the cache.

    Threads that share an item wait for each other after every product, so where there are several items each
    thread has its own. All go through one part before the next, whose weights are then in the cache.
    `together`: most numbers that go through a part at once, but one item at least.
    """

    def __init__(self, stack: Stack, together: int) -> None:
        super().__init__()
        self.stack = stack
        self.together = together

    def forward(self, x: torch.Tensor, *rest: torch.Tensor | None) -> torch.Tensor:
        threads, done = torch.get_num_threads(), list[torch.Tensor]()
        left = x
        while len(left):
            beside = min(threads, len(left), max(1, left.numel() // WORTH))
            count = len(left) // beside * beside
            done += self._beside(left[:count], rest, beside, threads)
            left = left[count:]
        return torch.cat(done)

    def _beside(
        self, x: torch.Tensor, rest: Sequence[torch.Tensor | None], beside: int, threads: int
    ) -> list[torch.Tensor]:
        """As many items for each of `beside` workers, which share `threads`."""
        if beside == 1:
            return self._through(x, rest)
        inference = torch.is_inference_mode_enabled()

        def work(share: torch.Tensor) -> list[torch.Tensor]:
            use_threads(threads // beside)
            with torch.inference_mode(inference):
                return self._through(share, rest)

        shares = list(_workers().map(work, x.chunk(beside)))
        torch.set_num_threads(threads)  # a thread that is new takes the number that was set last
        return [group for share in shares for group in share]

    def _through(self, x: torch.Tensor, rest: Sequence[torch.Tensor | None]) -> list[torch.Tensor]:
        at_once = max(1, self.together // max(1, x[0].numel()))
        passed = list(x.chunk(-(-len(x) // at_once)))
        for part in self.stack:
            passed = [part(group, *rest) for group in passed]
        return passed
