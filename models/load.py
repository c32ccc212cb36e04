"""From a model's name to an Embedder."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

import torch

from models.assembly import Assembly
from models.bound.attach import attach, read_cards
from models.download import Remote, fetch
from models.embedder import MOST_SEGMENTS, MOST_SEGMENTS_ON_CPU, TOWER_OF, Embedder
from models.errors import ParameterError, UnknownModalityError, UnknownModelError, WeightsError
from models.imagebind.assemble import Ready
from models.imagebind.assemble import assemble as assemble_imagebind
from models.modalities import MODALITIES
from models.precision import expect_compilable, fit, resolve
from models.registry import OPEN_CLIP_PREFIX, REGISTRY, Entry, cache_dir, entry_of

log = logging.getLogger(__name__)

DEVICES = "cpu, cuda, cuda:N"

Assemble: TypeAlias = Callable[[str, Path | None, Sequence[str], Ready], Assembly]


def _weights_of(entry: Entry, weights: Path | None) -> Path:
    """The path given, else the cached file, downloaded first where need be."""
    if weights is not None:
        return weights
    if not entry.downloadable:
        raise WeightsError(
            f"{entry.name} has no weights of its own; give the path of a checkpoint as `weights` "
            "(SENSORIUM_WEIGHTS, --weights)"
        )
    assert entry.size_bytes is not None
    assert entry.sha256 is not None
    remote = Remote(entry.source, entry.size_bytes, entry.sha256)
    path = cache_dir() / Path(entry.source).name
    log.info("weights of %s (%s): %s, kept as %s", entry.name, entry.licence, entry.source, path)
    return fetch(remote, path)


def _imagebind(name: str, weights: Path | None, modalities: Sequence[str], ready: Ready) -> Assembly:
    size = name.removeprefix("imagebind-")
    return assemble_imagebind(size, _weights_of(REGISTRY[name], weights), modalities, ready)


def _open_clip(name: str, weights: Path | None, modalities: Sequence[str], _: Ready) -> Assembly:
    from models import openclip  # noqa: PLC0415 - importing open_clip takes seconds, for this family only

    return openclip.assemble(name.removeprefix(OPEN_CLIP_PREFIX), weights, modalities, cache_dir())


def _small(_name: str, weights: Path | None, modalities: Sequence[str], _: Ready) -> Assembly:
    from models.small.assemble import assemble  # noqa: PLC0415 - only for this model

    return assemble(weights, modalities)


FAMILIES: Mapping[str, Assemble] = MappingProxyType(
    {
        "sensorium-small": _small,
        "imagebind-huge": _imagebind,
        "imagebind-nano": _imagebind,
        "open_clip:*": _open_clip,
    }
)


def chosen_modalities(entry: Entry, modalities: Sequence[str] | None) -> tuple[str, ...]:
    """The modalities to load, in the registry's order; video asks for image. Raises UnknownModalityError."""
    if modalities is None:
        return entry.modalities
    if isinstance(modalities, str):
        modalities = [modalities]
    wanted = {TOWER_OF.get(name, name) for name in modalities}
    unknown = sorted(wanted - set(entry.modalities))
    if unknown or not wanted:
        fault = f"has no encoder for {', '.join(unknown)}" if unknown else "needs at least one modality"
        raise UnknownModalityError(f"{entry.name} {fault}; accepted are {', '.join(entry.modalities)}")
    return tuple(name for name in entry.modalities if name in wanted)


def _expect_device(device: str) -> None:
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise ParameterError(f"device {device!r} does not exist; accepted are {DEVICES}") from error
    if chosen.type not in {"cpu", "cuda"}:
        raise ParameterError(f"device {device!r} is not supported; accepted are {DEVICES}")
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise ParameterError(
            f"device {device!r} is not available here ({torch.cuda.device_count()} GPUs); accepted is cpu"
        )


def most_segments(device: str) -> int:
    """Of one recording, with a model that does not say how many it is quick enough for."""
    return MOST_SEGMENTS_ON_CPU if device == "cpu" else MOST_SEGMENTS


def load(  # noqa: PLR0913 - the settings of a model
    name: str,
    *,
    weights: Path | str | None = None,
    modalities: Sequence[str] | None = None,
    device: str = "cpu",
    precision: str = "fp32",
    bound: Sequence[Path | str] = (),
    compiled: bool = False,
    threads: int | None = None,
) -> Embedder:
    """A model by its registered name, ready to embed.

    `weights`: a checkpoint to take in place of the registered one (file, or folder made by convert).
    `modalities`: the encoders to load, None for all. `precision`: a row of `models.precision`.
    `bound`: folders of senses that were bound to this model (`sensorium bind`), to be loaded beside its own.
    `compiled`: through torch.compile, which needs a C++ compiler and minutes at the first inputs.
    `threads`: of the processor, for torch in the whole process; None leaves them as they are.
    Downloads only where the model is registered with a URL, is not cached and no `weights` are given.
    Raises UnknownModelError, UnknownModalityError, WeightsError, ParameterError, BindingError.
    """
    entry = entry_of(name)
    if entry is None:
        raise UnknownModelError(f"there is no model {name!r}; accepted are {', '.join(REGISTRY)}")
    chosen = chosen_modalities(entry, modalities)
    _expect_device(device)
    precision = resolve(precision, device)
    if compiled:
        expect_compilable(precision)
    if threads is not None:
        torch.set_num_threads(threads)
    path = None if weights is None else Path(weights)
    cards = read_cards([Path(folder) for folder in bound])
    log.info("loading %s, licence: %s", name, entry.licence)
    ready = partial(fit, precision=precision, device=device, compiled=compiled)
    made = FAMILIES[entry.name](name, path, chosen, ready)
    gained = attach(cards, name, made)
    return Embedder(
        name=name,
        dim=made.dim,
        towers={**made.towers, **gained.towers},
        identity=made.identity,
        licence=entry.licence,
        device=device,
        precision=precision,
        compiled=compiled,
        allows_shortening=made.allows_shortening,
        background={**made.background, **gained.background},
        senses={**MODALITIES, **gained.senses},
        bound=gained.identities,
        most_segments=made.most_segments or most_segments(device),
    )
