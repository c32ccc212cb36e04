"""The image tower's last layer, fitted anew on the features of the finished trunk.

The trunk is still learning when its time is up; its last layer alone can be brought to rest in a minute, as
the features are computed once, on pictures prepared exactly as in the service.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from models.small.nets import ConvNet
from models.small.pictures import image_input
from models.small.text import TextTower
from training.align import Hub
from training.config import HeadConfig
from training.image import PictureSource, caption_vectors
from training.index import read_index
from training.labelled import Columns
from training.losses import cosine_loss, softmax_loss
from training.pictures import training_pictures
from training.schedule import cosine_rate
from training.space import space_of

CONFIG = HeadConfig()


@torch.inference_mode()
def features(tower: ConvNet, pixels: np.ndarray, batch: int = 200) -> torch.Tensor:
    """What the last layer sees of pictures uint8 (n, side, side, 3): (n, width)."""
    found = []
    for start in range(0, len(pixels), batch):
        x = image_input(pixels[start : start + batch]).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            found.append(tower.features(x).float())
    return torch.cat(found)


def fit(
    head: nn.Linear, seen: torch.Tensor, columns: Columns, weights: torch.Tensor, hub: Hub
) -> torch.Tensor:
    """Train `head` on features (n, width) drawn by `weights`; returns the learned scales of its softmaxes."""
    torch.manual_seed(CONFIG.seed)
    log_scale = nn.Parameter(torch.tensor(CONFIG.scales).log())
    optimizer = torch.optim.AdamW([*head.parameters(), log_scale], CONFIG.rate, weight_decay=0.0)
    for step in range(CONFIG.steps):
        cosine_rate(optimizer, step / CONFIG.steps)
        rows = torch.multinomial(weights, CONFIG.batch, replacement=True)
        x = seen[rows] * (1 + CONFIG.noise * torch.randn(len(rows), seen.shape[1]))
        scale = log_scale.exp().clamp(max=CONFIG.max_scale)
        loss = head_loss(functional.normalize(head(x), dim=-1), rows, columns, hub, scale)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return log_scale.detach().exp().clamp(max=CONFIG.max_scale)


def head_loss(
    z: torch.Tensor, rows: torch.Tensor, columns: Columns, hub: Hub, scale: torch.Tensor
) -> torch.Tensor:
    """As align.loss_of, without smoothing."""
    space, names, concepts = hub.space, columns.names[rows], columns.concepts[rows]
    chosen = torch.randint(hub.partners.shape[1], (len(hub.partners),))
    captions = hub.partners[torch.arange(len(hub.partners)), chosen]
    loss = softmax_loss(z, space.vectors, names, scale[0], rivals=space.rivals, smoothing=0.0)
    loss = loss + CONFIG.concept_weight * softmax_loss(
        z, space.concept_vectors, concepts, scale[1], smoothing=0.0
    )
    loss = loss + CONFIG.cosine_weight * cosine_loss(z, space.vectors, names)
    return loss + CONFIG.partner_weight * softmax_loss(
        z, captions, columns.partners[rows], scale[2], smoothing=0.0
    )


def refit_head(data: Path, cache: Path, out: Path, text: TextTower, image: ConvNet) -> None:
    """Writes `out/image_head.pt`, which `finished` puts in the place of the trained last layer."""
    space = space_of(text, read_index(data), "image")
    partner, captions = caption_vectors(data, text, "train")
    pictures = training_pictures(data, cache)
    source = PictureSource(pictures, space, partner)
    image.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    seen = features(image, pictures.pixels)
    scales = fit(image.head, seen, source.columns, source.weights, Hub(space, captions))
    torch.save({"head": image.head.state_dict(), "scales": scales}, out / "image_head.pt")
