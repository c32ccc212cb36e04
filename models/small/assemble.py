"""sensorium-small for the modalities asked for, from the weights beside this file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from safetensors import safe_open
from torch import nn

from models.assembly import Assembly
from models.embedder import Background, Tower
from models.errors import WeightsError
from models.imagebind.text import prepare_text
from models.prepare import Takes, prepare_by_kind
from models.samples import (
    AudioSample,
    DepthSample,
    ImageSample,
    ImuSample,
    TextSample,
    ThermalSample,
    VideoSample,
)
from models.small.movements import prepare_imu
from models.small.nets import ConvNet
from models.small.pictures import prepare_depth, prepare_image, prepare_thermal, prepare_video
from models.small.sizes import DIM, NETS
from models.small.sounds import prepare_audio
from models.small.text import TextTower
from models.weights import Checkpoint, open_checkpoint

WEIGHTS = Path(__file__).with_name("sensorium-small.safetensors")
FACTS = "sensorium"  # the entry of the file's metadata with temperatures and background, as JSON
# Part of the identity: raise it when a change to `prepare` or a tower moves vectors.
PREPROCESSING = "sensorium-small 3"
# Every ten seconds of an hour: all of them are encoded in the time that the hour is decoded in.
MOST_SEGMENTS = 360

TAKES: Mapping[str, Takes] = MappingProxyType(
    {
        "text": {TextSample: prepare_text},
        "image": {ImageSample: prepare_image, VideoSample: prepare_video},
        "audio": {AudioSample: prepare_audio},
        "depth": {DepthSample: prepare_depth},
        "thermal": {ThermalSample: prepare_thermal},
        "imu": {ImuSample: prepare_imu},
    }
)


def network(modality: str) -> nn.Module:
    """The tower of a modality as it is shipped, with weights still random."""
    return TextTower() if modality == "text" else ConvNet(NETS[modality], folded=True)


def assemble(weights: Path | None, modalities: Sequence[str]) -> Assembly:
    """`weights`: another file of the same make, None for the bundled one. Raises WeightsError."""
    path = weights or WEIGHTS
    checkpoint = open_checkpoint(path)
    networks = {name: network(name) for name in TAKES}
    checkpoint.expect(_shapes(networks), _needed(networks, modalities))
    facts = _facts(path)
    towers = {
        name: Tower(
            prepare_by_kind(name, TAKES[name]),
            _filled(name, networks[name], checkpoint),
            facts["temperature"][name],
        )
        for name in modalities
    }
    return Assembly(
        DIM,
        towers,
        checkpoint.identity(PREPROCESSING),
        background=_background(facts),
        most_segments=MOST_SEGMENTS,
    )


def _shapes(networks: Mapping[str, nn.Module]) -> dict[str, tuple[int, ...]]:
    return {
        f"{name}.{key}": tuple(tensor.shape)
        for name, module in networks.items()
        for key, tensor in module.state_dict().items()
    }


def _needed(networks: Mapping[str, nn.Module], modalities: Sequence[str]) -> dict[str, str]:
    return {f"{name}.{key}": name for name in modalities for key in networks[name].state_dict()}


def _filled(name: str, module: nn.Module, checkpoint: Checkpoint) -> nn.Module:
    state = {
        key: checkpoint.read(f"{name}.{key}", tuple(tensor.shape))
        for key, tensor in module.state_dict().items()
    }
    module.load_state_dict(state, assign=True)
    return module.eval()


def _facts(path: Path) -> dict[str, Any]:
    """What is known of the towers beside their weights."""
    try:
        with safe_open(path, "pt") as file:
            facts: dict[str, Any] = json.loads(file.metadata()[FACTS])
    except (OSError, TypeError, KeyError, ValueError) as error:
        raise WeightsError(f"{path} lacks the {FACTS!r} entry in its metadata") from error
    return facts


def _background(facts: Mapping[str, Any]) -> Background:
    """{(query modality, item modality): (mean, standard deviation) of the cosine of unrelated items}."""
    return {
        (query, item): (float(mean), float(std))
        for query, row in facts["background"].items()
        for item, (mean, std) in row.items()
    }
