"""The one training loop of all towers but text: align a tower with the frozen text space and partners."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import nn
from torch.nn import functional

from models.small.nets import ConvNet
from models.small.sizes import NETS
from training.config import AlignConfig
from training.labelled import Batch
from training.losses import cosine_loss, softmax_loss
from training.progress import Progress, load_checkpoint, save_checkpoint
from training.schedule import cosine_rate
from training.space import Space


class Source(Protocol):
    """Where a modality's training batches come from. `done` in [0, 1] lets it grow its pictures."""

    def batch(self, size: int, done: float) -> Batch: ...


@dataclass(frozen=True)
class Hub:
    """The fixed side: text `space`; `partners` (m, k, DIM): k captions or crops of each partner."""

    space: Space
    partners: torch.Tensor


@dataclass(frozen=True)
class Task:
    """What a tower learns from and is watched by: `check(tower, done)` says figures on unseen items."""

    hub: Hub
    source: Source
    check: Callable[[ConvNet, float], str]


class Aligned(nn.Module):
    """A tower and the learned scales s = 1 / temperature of its softmaxes."""

    def __init__(self, tower: ConvNet, config: AlignConfig) -> None:
        super().__init__()
        self.tower = tower
        first = torch.tensor([config.scale, config.scale, config.partner_scale])
        self.log_scale = nn.Parameter(first.log())  # names, concepts, partners


def loss_of(model: Aligned, hub: Hub, batch: Batch, config: AlignConfig) -> torch.Tensor:
    """Names + concepts + cosine + partners, weighted by the config."""
    with torch.autocast("cpu", torch.bfloat16):
        heads = model.tower(batch.inputs)
    z = functional.normalize(heads.float(), dim=-1)
    scale = model.log_scale.exp().clamp(max=config.max_scale)
    space = hub.space
    loss = softmax_loss(z, space.vectors, batch.names, scale[0], rivals=space.rivals)
    loss = loss + config.concept_weight * softmax_loss(z, space.concept_vectors, batch.concepts, scale[1])
    loss = loss + config.cosine_weight * cosine_loss(z, space.vectors, batch.names)
    if len(hub.partners):
        chosen = torch.randint(hub.partners.shape[1], (len(hub.partners),))
        partners = hub.partners[torch.arange(len(hub.partners)), chosen]
        partner_loss = softmax_loss(z, partners, batch.partners, scale[2], smoothing=0.0)
        loss = loss + config.partner_weight * partner_loss
    return loss


def align(task: Task, tower: ConvNet, config: AlignConfig, path: Path) -> Aligned:
    """Train; goes on from `path` after an interruption."""
    model = Aligned(tower, config)
    if config.channels_last:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = _optimizer(model, config)
    done = load_checkpoint(path, model, optimizer)
    torch.manual_seed(config.seed + done)
    progress = Progress(path.stem, config.steps)
    for step in range(done, config.steps):
        model.train()
        cosine_rate(optimizer, step / config.steps, config.warmup)
        loss = loss_of(model, task.hub, task.source.batch(config.batch, step / config.steps), config)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip)
        optimizer.step()
        progress.step(step, loss)
        if (step + 1) % config.check_every == 0 or step + 1 == config.steps:
            model.eval()
            scales = [round(scale, 1) for scale in model.log_scale.exp().tolist()]
            progress.say(f"{task.check(model.tower, step / config.steps)}  scales {scales}")
            save_checkpoint(path, model, optimizer, step + 1)
    return model.eval()


def finished(out: Path, modality: str) -> ConvNet:
    """The tower of a checkpoint, with its refitted head where there is one, for those who build on it."""
    tower = ConvNet(NETS[modality])
    state = torch.load(out / f"{modality}.pt", weights_only=True)["tower"]
    tower.load_state_dict({k.removeprefix("tower."): v for k, v in state.items() if k.startswith("tower.")})
    refitted = out / f"{modality}_head.pt"
    if refitted.exists():
        tower.head.load_state_dict(torch.load(refitted, weights_only=True)["head"])
    return tower.eval()


def _optimizer(model: nn.Module, config: AlignConfig) -> torch.optim.Optimizer:
    """AdamW; norms, biases and scales do not decay."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    rest = [p for p in model.parameters() if p.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": rest, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.rate, fused=True)
