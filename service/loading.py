"""The models that the settings name."""

from __future__ import annotations

import models
from models.bound.card import read_card
from models.embedder import TOWER_OF, Embedder
from models.footprint import available_bytes, expect_room, needed_bytes
from models.registry import entry_of
from service.settings import Settings


def modalities_for(settings: Settings, name: str) -> tuple[str, ...] | None:
    """Those of the settings; where several models are served, those of them that this one has."""
    entry = entry_of(name)
    if settings.modalities is None or entry is None or len(settings.served_models) == 1:
        return settings.modalities
    return (
        tuple(each for each in settings.modalities if TOWER_OF.get(each, each) in entry.modalities)
        or settings.modalities
    )


def bound_to(settings: Settings, name: str) -> list[str]:
    """The folders of senses bound to this model; those of no served model are the default one's to refuse.

    Raises BindingError.
    """
    if len(settings.served_models) == 1:
        return [str(folder) for folder in settings.bound]
    owners = {folder: read_card(folder).to for folder in settings.bound}
    default, *_ = served = settings.served_models
    return [
        str(folder) for folder, owner in owners.items() if (owner if owner in served else default) == name
    ]


def load_model(settings: Settings, name: str | None = None) -> Embedder:
    """Load the model `name` of the settings, by default the first one, bound senses included.

    Raises SensoriumError, TooLittleMemoryError among them, before anything large is read.
    """
    wanted = settings.model if name is None else name
    weights, modalities = settings.weights_of(wanted), modalities_for(settings, wanted)
    if settings.device == "cpu":
        needed = needed_bytes(wanted, modalities, settings.precision, weights)
        expect_room(wanted, needed, available_bytes())
    return models.load(
        wanted,
        weights=weights,
        modalities=modalities,
        device=settings.device,
        precision=settings.precision,
        bound=bound_to(settings, wanted),
        compiled=settings.compile,
        threads=settings.threads,
    )
