"""The items of a batch one at a time, side by side on the processor's threads."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import torch
from torch import nn

from models.machine import use_threads


class Stack(nn.ModuleList):
    """Parts that follow each other, each item on its own: (n, *shape), .. -> the same shape."""

    def forward(self, x: torch.Tensor, *rest: torch.Tensor | None) -> torch.Tensor:
        for part in self:
            x = part(x, *rest)
        return x


@cache
def _workers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count() or 1, "items")


class ItemByItem(nn.Module):
    """A `stack` with one item at a time, which keeps what int8 layers hand to each other in the cache.

    Threads that share an item wait for each other after every product, so where there are several items each
    thread has its own. All go through one part before the next, whose weights are then in the cache.
    """

    def __init__(self, stack: Stack) -> None:
        super().__init__()
        self.stack = stack

    def forward(self, x: torch.Tensor, *rest: torch.Tensor | None) -> torch.Tensor:
        items, done = torch.split(x, 1), list[torch.Tensor]()
        threads = torch.get_num_threads()
        while len(done) < len(items):
            left = items[len(done) :]
            beside = min(threads, len(left))
            done += self._beside(left[: len(left) // beside * beside], rest, beside, threads)
        return torch.cat(done)

    def _beside(
        self, items: Sequence[torch.Tensor], rest: Sequence[torch.Tensor | None], beside: int, threads: int
    ) -> list[torch.Tensor]:
        """As many items for each of `beside` workers, which share `threads`."""
        if beside == 1:
            return self._through(items, rest)
        inference = torch.is_inference_mode_enabled()

        def work(first: int) -> list[torch.Tensor]:
            use_threads(threads // beside)
            with torch.inference_mode(inference):
                return self._through(items[first::beside], rest)

        shares = list(_workers().map(work, range(beside)))
        torch.set_num_threads(threads)  # a thread that is new takes the number that was set last
        return [share[place] for place in range(len(shares[0])) for share in shares]

    def _through(
        self, items: Sequence[torch.Tensor], rest: Sequence[torch.Tensor | None]
    ) -> list[torch.Tensor]:
        passed = list(items)
        for part in self.stack:
            passed = [part(item, *rest) for item in passed]
        return passed
