"""Progress lines with rate and time left, and checkpoints that a stopped run goes on from."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import nn


class Progress:
    """Says every `every` seconds where a stage stands; the same as JSON lines beside its checkpoint."""

    def __init__(self, checkpoint: Path, steps: int, every: float = 20.0) -> None:
        self.name, self.steps, self.every = checkpoint.stem, steps, every
        self.record = checkpoint.with_suffix(".jsonl")
        self.started = self.last = time.monotonic()
        self.first: int | None = None
        self.loss = 0.0

    def step(self, step: int, loss: torch.Tensor) -> None:
        """Count a step and, now and then, tell the running loss and the time left."""
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
            self.write(step, rate=round(rate, 3))

    def check(self, step: int, figures: Mapping[str, float], scales: Sequence[float]) -> None:
        """Tell the figures on unseen items."""
        told = "  ".join(f"{name} {figure:.3f}" for name, figure in figures.items())
        self.say(f"{told}  scales {[round(scale, 1) for scale in scales]}")
        self.write(step, figures=dict(figures), scales=[round(scale, 3) for scale in scales])

    def write(self, step: int, **more: object) -> None:
        line = {
            "time": round(time.time(), 1),
            "step": step + 1,
            "steps": self.steps,
            "loss": round(self.loss, 5),
        }
        self.record.parent.mkdir(parents=True, exist_ok=True)
        with self.record.open("a", encoding="utf-8") as record:
            record.write(json.dumps(line | more) + "\n")

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
    state = torch.load(path, map_location="cpu", weights_only=True)
    tower.load_state_dict(state["tower"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])
