"""The embedder joins prepare and encode: views -> tower -> unit vectors -> mean over views -> unit vector.

Normalisation stands here and nowhere else. Following ImageBind (Girdhar et al. 2023, section 3.2),
the views of one item (clips of a sound, crops of a video) are averaged after normalisation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from models.errors import UnknownModalityError
from models.media.limits import DEFAULT_LIMITS, Limits
from models.modalities import MODALITIES, Modality, decode
from models.precision import expect_precision, fit
from models.recording import scripted
from models.samples import Sample

VIEWS_PER_FORWARD = 32
# A segment costs a large model much of what a short file does: of imagebind-huge on two cores, in fp32, a
# second for a sound's three clips, and for a film's six views six times what a picture costs.
MOST_SEGMENTS, MOST_SEGMENTS_ON_CPU = 60, 12
# A modality that has no tower of its own goes through another's.
TOWER_OF = MappingProxyType({"video": "image"})


@dataclass(frozen=True, eq=False)
class Views:
    """A prepared item. `tensor`: (views, *shape), float32, or int64 token ids for text.

    `notes` tell the caller what was cut or guessed; `tokens` counts a text's tokens (0 otherwise).
    """

    tensor: torch.Tensor
    notes: tuple[str, ...] = ()
    tokens: int = 0


Prepare: TypeAlias = Callable[[Sample], Views]
Background: TypeAlias = Mapping[tuple[str, str], tuple[float, float]]


@dataclass(frozen=True, eq=False)
class Tower:
    """One modality of a model: `prepare` (sample -> views) and `encoder` ((n, *shape) -> (n, dim)).

    `temperature` is the factor on the cosine inside the softmax that the tower was trained with.
    """

    prepare: Prepare
    encoder: nn.Module
    temperature: float


def at(batch: torch.Tensor, device: str, dtype: torch.dtype) -> torch.Tensor:
    """The batch there, in that type; even a call that does nothing lets go of Python's lock."""
    return batch if batch.dtype == dtype and device == "cpu" else batch.to(device, dtype)


def vectors_of(heads: torch.Tensor, counts: list[int], normalize: bool) -> torch.Tensor:  # noqa: FBT001 - TorchScript
    """What the head gave for each view -> one row an item: normalised, the mean, normalised again.

    (views of all, dim) -> (items, dim), the same in any batch. Where every item has one view or two there is
    but one order to add them in, and one call does for all.
    """
    if normalize:
        heads = functional.normalize(heads, dim=-1)
    if max(counts) == min(counts) and counts[0] <= 2:
        means = heads.view(len(counts), counts[0], -1).mean(1)
    else:
        means = torch.stack([part.mean(0) for part in torch.split(heads, counts)])
    return functional.normalize(means, dim=-1) if normalize else means


# In one call, for which Python's lock is waited for once (models/recording.py).
recorded_vectors_of = scripted(vectors_of)


@dataclass(frozen=True, eq=False)
class Embedder:
    """A loaded model.

    `identity` is a hash of weights and preprocessing: vectors of different identities are never
    comparable. `background[(query modality, item modality)]` is mean and standard deviation of the
    cosine between unrelated items, where the model knows it. `senses` are the modalities whose files it can
    read: all of MODALITIES, and those bound to it; `bound`: the identities of the bound ones' own towers,
    which are no part of the model's. `most_segments` of one recording are worth their cost.
    """

    name: str
    dim: int
    towers: Mapping[str, Tower]
    identity: str
    licence: str
    device: str = "cpu"
    precision: str = "fp32"
    compiled: bool = False
    allows_shortening: bool = False
    background: Background = field(default_factory=dict)
    senses: Mapping[str, Modality] = field(default_factory=lambda: MODALITIES)
    bound: Mapping[str, str] = field(default_factory=dict)
    most_segments: int = MOST_SEGMENTS
    _takes: dict[nn.Module, torch.dtype] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        expect_precision(self.precision, self.device)
        for tower in self.towers.values():
            how = fit(tower.encoder, self.precision, self.device, compiled=self.compiled)
            self._takes[tower.encoder] = how

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities with a tower; video comes in through image."""
        return tuple(self.towers)

    @property
    def temperature(self) -> dict[str, float]:
        return {name: tower.temperature for name, tower in self.towers.items()}

    def tower(self, modality: str) -> Tower:
        """The tower that encodes `modality`. Raises UnknownModalityError."""
        tower = self.towers.get(TOWER_OF.get(modality, modality))
        if tower is None:
            raise UnknownModalityError(
                f"{self.name} has no encoder for {modality!r}; it has {', '.join(self.towers)}"
            )
        return tower

    def decode(
        self, modality: str, data: bytes, *, limits: Limits = DEFAULT_LIMITS, **params: object
    ) -> Sample:
        """The sample in a file's bytes, as `models.decode`, of bound senses too. Raises SensoriumError."""
        return decode(modality, data, limits=limits, among=self.senses, **params)

    def prepare(self, modality: str, sample: Sample) -> Views:
        """Views of one sample: what the tower takes. Raises MediaError."""
        return self.tower(modality).prepare(sample)

    @torch.inference_mode()
    def encode(
        self, modality: str, items: Sequence[Views], *, normalize: bool = True
    ) -> npt.NDArray[np.float32]:
        """Prepared items -> float32 (n, dim). `normalize=False`: the mean of the raw head outputs."""
        encoder = self.tower(modality).encoder
        if not items:
            return np.empty((0, self.dim), np.float32)
        heads = self._heads(encoder, torch.cat([item.tensor for item in items]))
        counts = [item.tensor.shape[0] for item in items]
        if heads.is_cpu:
            rows: npt.NDArray[np.float32] = recorded_vectors_of(heads, counts, normalize).numpy()
            return rows
        return vectors_of(heads, counts, normalize).cpu().numpy()

    def embed(
        self, modality: str, samples: Iterable[Sample | torch.Tensor], *, normalize: bool = True
    ) -> npt.NDArray[np.float32]:
        """Samples -> float32 (n, dim) of unit rows, as `prepare` and `encode` in one call.

        A tensor (views, *shape) stands for a sample that is prepared already. Raises MediaError for a
        sample of another modality and UnknownModalityError.
        """
        views = [self._views(modality, sample) for sample in samples]
        return self.encode(modality, views, normalize=normalize)

    def _views(self, modality: str, sample: Sample | torch.Tensor) -> Views:
        return Views(sample) if isinstance(sample, torch.Tensor) else self.prepare(modality, sample)

    def _heads(self, encoder: nn.Module, batch: torch.Tensor) -> torch.Tensor:
        dtype = self._takes[encoder] if batch.is_floating_point() else batch.dtype

        def heads_of(views: torch.Tensor) -> torch.Tensor:
            return at(encoder(at(views, self.device, dtype)), self.device, torch.float32)

        if batch.shape[0] <= VIEWS_PER_FORWARD:
            return heads_of(batch)
        return torch.cat([heads_of(views) for views in torch.split(batch, VIEWS_PER_FORWARD)])
