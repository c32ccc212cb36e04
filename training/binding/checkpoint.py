"""Checkpoints of a binding as safetensors: a stopped run goes on from them and ends the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn


@dataclass
class Progressed:
    """Where a run stands: `done` steps, the best check so far with its weights, and all checks."""

    done: int = 0
    best: float = -1.0
    best_step: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    weights: dict[str, torch.Tensor] = field(default_factory=dict)


def _moments(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    state = optimizer.state_dict()["state"]
    return {f"adam.{i}.{name}": value for i, row in state.items() for name, value in row.items()}


def save(
    path: Path, run: str, model: nn.Module, optimizer: torch.optim.Optimizer, progressed: Progressed
) -> None:
    """`run` tells one run from another: what it was asked and what it was given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {
        **{f"model.{key}": value for key, value in model.state_dict().items()},
        **{f"best.{key}": value for key, value in progressed.weights.items()},
        **_moments(optimizer),
    }
    facts = {
        "done": progressed.done,
        "best": progressed.best,
        "best_step": progressed.best_step,
        "history": progressed.history,
    }
    new = path.with_suffix(".new")
    contiguous = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    save_file(contiguous, new, {"run": run, "facts": json.dumps(facts)})
    new.replace(path)


def _under(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _restore(model: nn.Module, optimizer: torch.optim.Optimizer, tensors: Mapping[str, torch.Tensor]) -> None:
    model.load_state_dict(_under("model.", tensors))
    state: dict[int, dict[str, Any]] = {}
    for key, value in _under("adam.", tensors).items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def load(path: Path, run: str, model: nn.Module, optimizer: torch.optim.Optimizer) -> Progressed:
    """Put `model` and `optimizer` where that same run stood; a fresh start where there is none."""
    try:
        with safe_open(path, "pt") as file:
            written = file.metadata() or {}
            if written.get("run") != run:
                return Progressed()
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a mapping
    except (OSError, SafetensorError):
        return Progressed()
    _restore(model, optimizer, tensors)
    return Progressed(**json.loads(written["facts"]), weights=_under("best.", tensors))
