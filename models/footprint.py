"""How much memory a model's weights will take, and how much there is, before anything is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

import torch
from torch import nn

from models.errors import SensoriumError
from models.imagebind.sizes import SIZES
from models.imagebind.towers import build
from models.precision import resolve
from models.registry import entry_of

BYTES_OF_WEIGHT = MappingProxyType({"fp32": 4.0, "bf16": 2.0, "fp16": 2.0, "int8": 1.5})
MEMINFO = Path("/proc/meminfo")
# Limit and use of the container's group: cgroup v2, then v1.
GROUPS = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (
        Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
        Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ),
)
Build: TypeAlias = Callable[[str], nn.Module]


class TooLittleMemoryError(SensoriumError):
    """The weights of a model would not fit into the memory that is left."""

    code = "too_little_memory"


def _small(modality: str) -> nn.Module:
    from models.small.assemble import network  # noqa: PLC0415 - only for this model

    return network(modality)


BUILDS: Mapping[str, Build] = MappingProxyType(
    {
        "sensorium-small": _small,
        "imagebind-huge": lambda modality: build(modality, SIZES["huge"]),
        "imagebind-nano": lambda modality: build(modality, SIZES["nano"]),
    }
)


def needed_bytes(
    name: str, modalities: Sequence[str] | None = None, precision: str = "fp32", weights: Path | None = None
) -> int | None:
    """Bytes of the weights of these modalities' towers in this precision, None where that is not known.

    Towers are built without memory and counted. open_clip's cannot be built like that: there it is the size
    of the file `weights`, or unknown.
    """
    entry = entry_of(name)
    if entry is None or entry.name not in BUILDS:
        return weights.stat().st_size if weights is not None and weights.is_file() else None
    wanted = [each for each in entry.modalities if modalities is None or each in modalities]
    with torch.device("meta"):
        towers = [BUILDS[entry.name](modality) for modality in wanted]
    count: int = sum(tensor.numel() for tower in towers for tensor in tower.state_dict().values())
    return int(count * BYTES_OF_WEIGHT[resolve(precision)])


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # absent, or `max`
        return None


def available_bytes() -> int | None:
    """Memory that can still be had, within the container's limit; None where the system does not tell."""
    left = [
        limit - used
        for limit, used in ((_number(of), _number(taken)) for of, taken in GROUPS)
        if limit is not None and used is not None
    ]
    if MEMINFO.exists():
        lines = dict(line.split(":", 1) for line in MEMINFO.read_text().splitlines())
        left.append(int(lines["MemAvailable"].split()[0]) * 1024)
    return max(min(left), 0) if left else None


def expect_room(name: str, needed: int | None, available: int | None) -> None:
    """Raise TooLittleMemoryError where both are known and the one is more than the other [bytes]."""
    if needed is None or available is None or needed <= available:
        return
    raise TooLittleMemoryError(
        f"{name} needs about {needed / 1e6:,.0f} MB of memory for its weights and {available / 1e6:,.0f} MB "
        "are available; load fewer modalities (SENSORIUM_MODALITIES), a smaller precision "
        "(SENSORIUM_PRECISION=bf16) or fewer models"
    )
