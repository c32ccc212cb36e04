"""The image tower's last layer, fitted anew on the features of the finished trunk.

The trunk is still learning when its time is up, and names that say similar things have similar vectors, so
that the last layer comes to rest long after the trunk. Alone it does so in a minute, as the features are
computed once, on pictures prepared exactly as in the service.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from models.samples import UInt8
from models.small.nets import ConvNet
from models.small.pictures import input_of, one_look
from models.small.text import TextTower
from training.align import Hub
from training.config import HeadConfig
from training.folders import Folders
from training.image import PictureSource, caption_vectors
from training.index import read_index
from training.instances import beside_maps, features, instance_features
from training.labelled import Columns
from training.losses import class_loss, columns_of, cosine_loss, info_nce, softmax_loss
from training.pictures import training_pictures
from training.rendered import TRAIN_SEED
from training.rendered.meshes import read_meshes
from training.rendered.stored import stored_scenes
from training.schedule import cosine_rate
from training.space import say, space_of

CONFIG = HeadConfig()
CHUNK = 2000  # pictures
DEAD = 1e-4  # a feature that varies less is constant


@dataclass(frozen=True)
class Material:
    """`seen` (n, width): features; `columns`, `weights`: of the labelled ones, which come first.

    `scenes` (m, width), `told` (m, DIM): rendered scenes and their captions. `instances`: see instances.py.
    """

    seen: torch.Tensor
    columns: Columns
    weights: torch.Tensor
    scenes: torch.Tensor
    told: torch.Tensor
    instances: torch.Tensor


def whole(tower: ConvNet, pictures: Sequence[UInt8]) -> torch.Tensor:
    """Features of pictures, chunk by chunk, (n, width)."""
    chunks = (pictures[start : start + CHUNK] for start in range(0, len(pictures), CHUNK))
    return torch.cat([features(tower, input_of(one_look(chunk))) for chunk in chunks])


class Fit(nn.Module):
    """The head, and the scales of its softmaxes: names, concepts, partners, captions of scenes.

    It learns over standardised features and in the principal axes of the names: Adam gives each of its
    numbers a pace of its own, and names that say similar things differ along axes that would else learn last.
    """

    def __init__(self, material: Material, names: torch.Tensor, config: HeadConfig) -> None:
        super().__init__()
        self.config = config
        self.mean = material.seen.mean(0)
        self.spread = material.seen.std(0).clamp(min=DEAD)
        self.axes = torch.linalg.svd(names)[2].T  # (DIM, DIM)
        self.inner = nn.Linear(material.seen.shape[1], names.shape[1])
        self.log_scale = nn.Parameter(torch.tensor(config.scales).log())

    def scales(self) -> torch.Tensor:
        return self.log_scale.exp().clamp(max=self.config.max_scale)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features, disturbed, (n, width) -> unit vectors (n, DIM)."""
        x = (x * (1 + self.config.noise * torch.randn(x.shape)) - self.mean) / self.spread
        return functional.normalize(self.inner(x) @ self.axes.T, dim=-1)

    @torch.no_grad()
    def fill(self, head: nn.Linear) -> None:
        """Write the same map, over plain features and axes, into `head`."""
        weight = self.axes @ self.inner.weight / self.spread
        head.weight.copy_(weight)
        head.bias.copy_(self.axes @ self.inner.bias - weight @ self.mean)


def labelled_loss(fit: Fit, material: Material, hub: Hub, scale: torch.Tensor) -> torch.Tensor:
    """As align.loss_of, without smoothing; the head itself is the classifier of each data set."""
    rows = torch.multinomial(material.weights, fit.config.batch, replacement=True)
    z, space, columns = fit(material.seen[rows]), hub.space, material.columns
    chosen = torch.randint(hub.partners.shape[1], (len(hub.partners),))
    captions = hub.partners[torch.arange(len(hub.partners)), chosen]
    names, concepts, partners = columns.names[rows], columns.concepts[rows], columns.partners[rows]
    loss = softmax_loss(z, space.vectors, names, scale[0], rivals=space.rivals, smoothing=0.0)
    logits = scale[0] * z @ space.vectors[columns.class_names].T
    loss = loss + fit.config.class_weight * class_loss(logits, columns.classes[rows], columns.together)
    loss = loss + fit.config.concept_weight * softmax_loss(
        z, space.concept_vectors, concepts, scale[1], smoothing=0.0
    )
    loss = loss + fit.config.cosine_weight * cosine_loss(z, space.vectors, names)
    paired = partners >= 0
    positives = columns_of(partners[paired], len(captions))
    return loss + fit.config.partner_weight * info_nce(z[paired], captions, positives, scale[2])


def scene_loss(fit: Fit, material: Material, scale: torch.Tensor) -> torch.Tensor:
    """InfoNCE between rendered scenes and their captions."""
    rows = torch.randperm(len(material.scenes))[: fit.config.scenes_batch]
    z = fit(material.scenes[rows])
    return info_nce(z, material.told[rows], torch.eye(len(rows), dtype=torch.bool), scale[3])


def instance_loss(fit: Fit, material: Material) -> torch.Tensor:
    """InfoNCE between two looks of the same crop."""
    crops, looks, count, _ = material.instances.shape
    crop, (one, other) = int(torch.randint(crops, ())), torch.randperm(looks)[:2].tolist()
    rows = torch.randperm(count)[: fit.config.scenes_batch]
    a, b = (fit(material.instances[crop, look, rows]) for look in (one, other))
    scale = torch.tensor(fit.config.instance_scale)
    return info_nce(a, b, torch.eye(len(rows), dtype=torch.bool), scale)


def fit_head(head: nn.Linear, material: Material, hub: Hub, config: HeadConfig) -> torch.Tensor:
    """Fill `head`; returns the learned scales of its softmaxes."""
    torch.manual_seed(config.seed)
    fit = Fit(material, torch.cat([hub.space.vectors, hub.space.concept_vectors]), config)
    optimizer = torch.optim.AdamW(fit.parameters(), config.rate, weight_decay=0.0)
    for step in range(config.steps):
        cosine_rate(optimizer, step / config.steps)
        scale = fit.scales()
        loss = labelled_loss(fit, material, hub, scale)
        loss = loss + config.scene_weight * scene_loss(fit, material, scale)
        loss = loss + config.instance_weight * instance_loss(fit, material)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    fit.fill(head)
    return fit.scales().detach()


def refit_head(folders: Folders, text: TextTower, image: ConvNet, config: HeadConfig = CONFIG) -> None:
    """Writes `out/image_head.pt`, which `finished` puts in the place of the trained last layer."""
    torch.manual_seed(config.seed)
    image.to(config.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    items = read_index(folders.data)
    partner, captions = caption_vectors(folders.data, text, "train")
    hub = Hub(space_of(text, items, "image"), captions)
    pictures = training_pictures(folders.data, folders.cache)
    source = PictureSource(pictures, hub.space, partner)
    drawn = stored_scenes(
        folders.cache / "rendered.npz", config.scenes, TRAIN_SEED, read_meshes(folders.data, items)
    )
    shown = [scene.pixels for scene in drawn]
    material = Material(
        whole(image, list(pictures.pixels)),
        source.columns,
        source.weights,
        whole(image, shown),
        say(text, [scene.captions[0] for scene in drawn]),
        instance_features(image, beside_maps(folders.data, items) + shown),
    )
    scales = fit_head(image.cpu().head, material, hub, config)
    torch.save({"head": image.head.state_dict(), "scales": scales}, folders.out / "image_head.pt")
