"""Progress lines with rate and time left, and checkpoints that a stopped run goes on from."""

from __future__ import annotations

import time
from pathlib import Path

import torch
from torch import nn


class Progress:
    """Says every `every` seconds where a stage stands."""

    def __init__(self, name: str, steps: int, every: float = 20.0) -> None:
        self.name, self.steps, self.every = name, steps, every
        self.started = self.last = time.monotonic()
        self.first: int | None = None
        self.loss = 0.0

    def step(self, step: int, loss: torch.Tensor) -> None:
        """Count a step and, now and then, print the running loss and the time left."""
        self.first = step if self.first is None else self.first
        value = float(loss.detach())
        self.loss = value if step == self.first else 0.98 * self.loss + 0.02 * value
        now = time.monotonic()
        if now - self.last >= self.every:
            self.last = now
            rate = (step + 1 - self.first) / (now - self.started)
            left = (self.steps - step - 1) / rate
            self.say(
                f"step {step + 1}/{self.steps}  loss {self.loss:.4f}  {rate:.2f}/s  {left / 60:.1f} min left"
            )

    def say(self, text: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {self.name}: {text}", flush=True)


def save_checkpoint(path: Path, tower: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> None:
    """Write beside, then rename: a kill never leaves half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    torch.save({"tower": tower.state_dict(), "optimizer": optimizer.state_dict(), "step": step}, new)
    new.replace(path)


def load_checkpoint(path: Path, tower: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Steps already done; 0 where there is no checkpoint."""
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    tower.load_state_dict(state["tower"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])
