"""The one training loop of all towers but text: align a tower with the frozen text space and partners."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeAlias

import torch
from torch import nn
from torch.nn import functional

from models.small.nets import ConvNet
from models.small.sizes import NETS
from training import parallel
from training.config import AlignConfig
from training.labelled import Batch, Columns
from training.losses import class_loss, columns_of, cosine_loss, info_nce, softmax_loss
from training.progress import Progress, load_checkpoint, save_checkpoint
from training.schedule import cosine_rate
from training.space import Space

Figures: TypeAlias = Mapping[str, float]
SEEDS = 1_000_000  # between the random numbers of two seeds
WORKERS = 64  # most processes of one run


class Source(Protocol):
    """Where a modality's training batches come from. `done` in [0, 1] lets it grow its pictures.

    A batch is drawn with torch's generator alone and depends on nothing that was drawn before.
    """

    columns: Columns

    def batch(self, size: int, done: float) -> Batch: ...


@dataclass(frozen=True)
class Hub:
    """The fixed side: text `space`; `partners` (m, k, DIM): k captions or crops of each partner."""

    space: Space
    partners: torch.Tensor

    def to(self, device: str) -> Hub:
        return Hub(self.space.to(device), self.partners.to(device))


@dataclass(frozen=True)
class Task:
    """What a tower learns from and is watched by: `check(tower, done)` gives figures on unseen items."""

    hub: Hub
    source: Source
    check: Callable[[ConvNet, float], Figures]


class Aligned(nn.Module):
    """A tower, the learned scales s = 1 / temperature of its softmaxes, and a classifier beside its head.

    The classifier is thrown away afterwards. Names that say similar things have similar vectors, so the head
    alone teaches the trunk slowly to tell them apart; classes of their own do that at once.
    """

    def __init__(self, tower: ConvNet, classes: int, config: AlignConfig) -> None:
        super().__init__()
        self.tower = tower
        first = torch.tensor([config.scale, config.scale, config.partner_scale])
        self.log_scale = nn.Parameter(first.log())  # names, concepts, partners
        self.classifier = nn.Linear(tower.head.in_features, classes) if config.class_weight else None

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """(n, *shape) -> unit vectors (n, DIM), the classifier's logits (n, classes)."""
        with torch.autocast(x.device.type, torch.bfloat16):
            features = self.tower.features(x)
            heads = self.tower.head(features)
            logits = None if self.classifier is None else self.classifier(features).float()
        return functional.normalize(heads.float(), dim=-1), logits


def partner_loss(
    z: torch.Tensor, partners: torch.Tensor, own: torch.Tensor, scale: torch.Tensor
) -> torch.Tensor:
    """InfoNCE between items and one view, drawn at random, of each of the partners (m, k, DIM)."""
    chosen = torch.randint(partners.shape[1], (len(partners),), device=partners.device)
    bank = partners[torch.arange(len(partners), device=partners.device), chosen]
    kept = own >= 0
    return info_nce(z[kept], bank, columns_of(own[kept], len(bank)), scale)


def loss_of(model: Aligned, task: Task, batch: Batch, config: AlignConfig) -> torch.Tensor:
    """Names + concepts + cosine + partners + classes, weighted by the config."""
    z, logits = model(batch.inputs)
    scale = model.log_scale.exp().clamp(max=config.max_scale)
    space, partners = task.hub.space, task.hub.partners
    together = task.source.columns.together.to(z.device)
    loss = softmax_loss(z, space.vectors, batch.names, scale[0], rivals=space.rivals)
    loss = loss + config.concept_weight * softmax_loss(z, space.concept_vectors, batch.concepts, scale[1])
    loss = loss + config.cosine_weight * cosine_loss(z, space.vectors, batch.names)
    if len(partners):
        loss = loss + config.partner_weight * partner_loss(z, partners, batch.partners, scale[2])
    if logits is not None:
        loss = loss + config.class_weight * class_loss(logits, batch.classes, together)
    return loss


def learn(
    model: Aligned, optimizer: torch.optim.Optimizer, task: Task, config: AlignConfig, step: int
) -> torch.Tensor:
    """One step. Its random numbers depend on seed, step and process alone, so that a run can be resumed."""
    torch.manual_seed((config.seed * SEEDS + step) * WORKERS + parallel.rank())
    model.train()
    cosine_rate(optimizer, step / config.steps, config.warmup)
    batch = task.source.batch(config.batch // parallel.workers(), step / config.steps).to(config.device)
    loss = loss_of(model, task, batch, config)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    parallel.average(model.parameters())
    torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip)
    optimizer.step()
    return loss


def fresh(modality: str, config: AlignConfig) -> ConvNet:
    """An untrained tower, the same for the same seed."""
    torch.manual_seed(config.seed)
    return ConvNet(NETS[modality])


def align(task: Task, tower: ConvNet, config: AlignConfig, path: Path) -> Aligned:
    """Train; goes on from `path` after an interruption. The first of several processes speaks and writes."""
    model = Aligned(tower, len(task.source.columns.together), config).to(config.device)
    task = replace(task, hub=task.hub.to(config.device))
    if config.channels_last:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = _optimizer(model, config)
    done = load_checkpoint(path, model, optimizer)
    progress = Progress(path, config.steps)
    for step in range(done, config.steps):
        loss = learn(model, optimizer, task, config, step)
        if parallel.rank():
            continue
        progress.step(step, loss)
        if (step + 1) % config.check_every == 0 or step + 1 == config.steps:
            model.eval()
            progress.check(step, task.check(model.tower, step / config.steps), model.log_scale.exp().tolist())
            save_checkpoint(path, model, optimizer, step + 1)
    return model.cpu().eval()


def finished(out: Path, modality: str, *, refitted: bool = True) -> ConvNet:
    """The tower of a checkpoint, with its refitted head where there is one, for those who build on it."""
    tower = ConvNet(NETS[modality])
    state = torch.load(out / f"{modality}.pt", map_location="cpu", weights_only=True)["tower"]
    tower.load_state_dict({k.removeprefix("tower."): v for k, v in state.items() if k.startswith("tower.")})
    head = out / f"{modality}_head.pt"
    if refitted and head.exists():
        tower.head.load_state_dict(torch.load(head, weights_only=True)["head"])
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
