"""The loop: a tower for the new sense, by symmetric InfoNCE onto anchors that stay where they are."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from training.binding import checkpoint
from training.binding.checkpoint import Progressed
from training.binding.config import AUGMENTATIONS, Augmentation, BindConfig
from training.binding.inputs import Inputs
from training.binding.pairs import Pairs
from training.binding.retrieval import Figures, figures
from training.losses import info_nce
from training.schedule import cosine_rate

VIEWS_PER_FORWARD = 256
CLOSENESS = 0.02  # weight of the matched cosine beside the rank, for towers that rank the same
LEAST_GAIN = 1e-4
Say = Callable[[str], None]


class Binding(nn.Module):
    """A tower and the learned scale s = 1 / temperature."""

    def __init__(self, tower: nn.Module, scale: float) -> None:
        super().__init__()
        self.tower = tower
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))

    def scale(self, most: float) -> torch.Tensor:
        return self.log_scale.exp().clamp(max=most)


@dataclass(frozen=True)
class Material:
    """What a binding learns from: `t` (anchors, dim) unit vectors, `t_groups` and `groups` by index."""

    pairs: Pairs
    inputs: Inputs
    t: torch.Tensor

    @property
    def t_groups(self) -> torch.Tensor:
        return torch.tensor(self.pairs.anchor_groups)

    def groups(self, items: Sequence[int]) -> torch.Tensor:
        return torch.tensor([self.pairs.items[i].group for i in items])


def augmented(x: torch.Tensor, by: Augmentation) -> torch.Tensor:
    """(n, channels, *size): gain per view, one shift of the batch per axis (zeros come in), noise."""
    if by.gain:
        shape = (len(x), *(1,) * (x.ndim - 1))
        x = x * (1 + torch.empty(shape).uniform_(-by.gain, by.gain))
    for axis in range(2, x.ndim) if by.shift else ():
        most = int(by.shift * x.shape[axis])
        step = int(torch.randint(-most, most + 1, ()))
        x = x.roll(step, axis)
        if step:
            x.narrow(axis, 0 if step > 0 else x.shape[axis] + step, abs(step)).zero_()
    return x + by.noise * torch.randn_like(x)


def draw(material: Material, size: int, by: Augmentation) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Views, anchors' vectors and groups of `size` items to train with, one view and one anchor of each."""
    train = torch.tensor(material.pairs.train)
    chosen = train[torch.randperm(len(train))[:size]]
    inputs, luck = material.inputs, torch.rand(2, len(chosen))
    views = inputs.first[chosen] + (luck[0] * inputs.count[chosen]).long()
    own = [material.pairs.items[i].anchors for i in chosen.tolist()]
    anchors = torch.tensor([each[int(r * len(each))] for each, r in zip(own, luck[1].tolist(), strict=True)])
    return augmented(inputs.views[views], by), material.t[anchors], material.groups(chosen.tolist())


def loss_of(model: Binding, drawn: tuple[torch.Tensor, ...], config: BindConfig) -> torch.Tensor:
    """InfoNCE in both directions, and `1 - cos` to the own anchor.

    InfoNCE alone is content with any place from which the own anchor is the nearest; the cosine draws the new
    sense to where the anchors are, so that modalities it was never paired with find it too.
    """
    x, t, groups = drawn
    z = functional.normalize(model.tower(x), dim=-1)
    positives = groups[:, None] == groups[None]
    loss = info_nce(z, t, positives, model.scale(config.max_scale))
    return loss + config.cosine_weight * (1 - (z * t).sum(-1)).mean()


@torch.inference_mode()
def vectors(tower: nn.Module, inputs: Inputs, items: Sequence[int], device: str) -> torch.Tensor:
    """Unit vectors (items, dim): the mean over each item's views, as the service pools them."""
    tower.eval()
    views = [inputs.of(item) for item in items]
    chunks = torch.split(torch.cat(views), VIEWS_PER_FORWARD)
    heads = torch.cat([tower(chunk.to(device)).float().cpu() for chunk in chunks])
    parts = torch.split(functional.normalize(heads, dim=-1), [len(each) for each in views])
    return functional.normalize(torch.stack([part.mean(0) for part in parts]), dim=-1)


def held_out_figures(tower: nn.Module, material: Material, device: str) -> dict[str, Figures]:
    """By modality of the anchors: retrieval among the held-out items and their anchors."""
    pairs = material.pairs
    z, groups = vectors(tower, material.inputs, pairs.val, device), material.groups(pairs.val)
    seen = {anchor for i in pairs.val for anchor in pairs.items[i].anchors}
    found = {}
    for modality in dict.fromkeys(anchor.modality for anchor in pairs.anchors):
        places = [i for i in sorted(seen) if pairs.anchors[i].modality == modality]
        if places:
            found[modality] = figures(z, groups, material.t[places], material.t_groups[places])
    return found


def told(found: dict[str, Figures]) -> str:
    """One line of figures beside chance."""
    lines = []
    for modality, each in found.items():
        to, back = each.to_anchor, each.from_anchor
        said = [
            f"{name} R@1 {one.recall[1]:.3f} (chance {one.chance[1]:.3f}) R@10 {one.recall[10]:.3f} "
            f"({one.chance[10]:.3f})"
            for name, one in ((f"to {modality}", to), (f"from {modality}", back))
        ]
        lines.append("  ".join(said))
    return "  ".join(lines)


def _optimizer(model: nn.Module, config: BindConfig) -> torch.optim.Optimizer:
    """AdamW; norms, biases and the scale do not decay."""
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.rate)


@dataclass(frozen=True)
class Run:
    """Where a run happens: `key` tells it from others, `path` is its checkpoint."""

    key: str
    path: Path
    device: str
    say: Say


def check(model: Binding, material: Material, run: Run, progressed: Progressed, loss: float) -> None:
    """Measure, remember the best weights, say how it stands."""
    found = held_out_figures(model.tower, material, run.device)
    mrr = sum(each.mrr for each in found.values()) / len(found)
    worth = mrr + CLOSENESS * sum(each.closeness for each in found.values()) / len(found)
    scale = float(model.log_scale.detach().exp())
    progressed.history.append(
        {"step": progressed.done, "loss": round(loss, 4), "mrr": round(mrr, 4), "scale": round(scale, 2)}
    )
    if worth > progressed.best + LEAST_GAIN:
        progressed.best, progressed.best_step = worth, progressed.done
        progressed.weights = {key: value.detach().cpu().clone() for key, value in model.state_dict().items()}
    run.say(f"step {progressed.done}  loss {loss:.3f}  {told(found)}  scale {scale:.1f}")


def train(
    tower: nn.Module, material: Material, config: BindConfig, run: Run, kind: str
) -> tuple[Binding, Progressed]:
    """Train `tower` in place; goes on from the checkpoint of the same run. Gives the best weights.

    Every step draws from a seed of its own, so an interrupted run ends as one that was not.
    """
    model = Binding(tower, config.scale)
    model.to(run.device)
    optimizer, by = _optimizer(model, config), AUGMENTATIONS[kind]
    progressed = checkpoint.load(run.path, run.key, model, optimizer)
    if progressed.done:
        run.say(f"going on after step {progressed.done}")
    losses: list[torch.Tensor] = []
    while progressed.done < config.steps and not _stale(progressed, config):
        torch.manual_seed(config.seed * 1_000_003 + progressed.done)
        model.train()
        cosine_rate(optimizer, progressed.done / config.steps, config.warmup)
        drawn = tuple(each.to(run.device) for each in draw(material, config.batch, by))
        loss = loss_of(model, drawn, config)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), config.clip)
        optimizer.step()
        losses.append(loss.detach())
        progressed.done += 1
        if progressed.done % config.check_every == 0 or progressed.done == config.steps:
            check(model, material, run, progressed, float(torch.stack(losses).mean()))
            checkpoint.save(run.path, run.key, model, optimizer, progressed)
            losses = []
    model.load_state_dict(progressed.weights)
    return model.eval(), progressed


def _stale(progressed: Progressed, config: BindConfig) -> bool:
    return progressed.done - progressed.best_step >= config.patience * config.check_every
