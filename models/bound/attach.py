"""Folders of bound senses -> towers and modalities beside those of the model they were bound to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np
from safetensors.torch import load_file

from models.assembly import Assembly
from models.bound.card import TOWER, Card, read_card
from models.bound.decode import decoder
from models.bound.form import ARRAYS, MAP, SERIES, VECTOR
from models.bound.nets import build
from models.bound.prepare import prepare_array
from models.embedder import Background, Tower
from models.errors import BindingError
from models.modalities import ARRAY_SUFFIX, ARRAY_TYPE, MODALITIES, Modality
from models.prepare import prepare_by_kind
from models.samples import ArraySample
from models.small.assemble import TAKES

# kind of array -> media types and endings of its files
FILES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = MappingProxyType(
    {
        VECTOR: ((ARRAY_TYPE,), (ARRAY_SUFFIX,)),
        SERIES: (("text/csv", ARRAY_TYPE), (".csv", ".tsv", ARRAY_SUFFIX)),
        MAP: ((ARRAY_TYPE, "image/png", "image/tiff"), (ARRAY_SUFFIX, ".png", ".tif", ".tiff")),
    }
)


@dataclass(frozen=True)
class Bound:
    """Senses bound to one model: their modalities, towers, identities and backgrounds, by name."""

    senses: Mapping[str, Modality] = field(default_factory=dict)
    towers: Mapping[str, Tower] = field(default_factory=dict)
    identities: Mapping[str, str] = field(default_factory=dict)
    background: Background = field(default_factory=dict)


def sense_of(card: Card) -> Modality:
    """The row of the table of modalities for a bound sense; one with a lender takes the lender's files."""
    if card.form.kind not in ARRAYS:
        lender = MODALITIES[card.form.kind]
        return Modality(
            card.name, lender.media_types, lender.suffixes, lender.decode, lender.sample, lender.params
        )
    shape = (*card.form.size, card.form.channels)
    typical = np.broadcast_to(np.array(card.scale.mean, np.float32), shape).copy()
    media_types, suffixes = FILES[card.form.kind]
    return Modality(card.name, media_types, suffixes, decoder(card.form), partial(ArraySample, typical))


def tower_of(card: Card, folder: Path) -> Tower:
    """Raises BindingError where the weights are not those of the card's net."""
    encoder = build(card.net, card.form, card.dim)
    try:
        encoder.load_state_dict(load_file(folder / TOWER))
    except Exception as error:  # safetensors and torch fail in their own ways
        raise BindingError(f"{folder / TOWER} does not hold the net that the card describes") from error
    if card.form.kind in ARRAYS:
        prepare = prepare_array(card.name, card.form, card.scale)
    else:
        prepare = prepare_by_kind(card.name, TAKES[card.form.kind])
    return Tower(prepare, encoder, card.temperature)


def read_cards(folders: Sequence[Path]) -> dict[Path, Card]:
    """The cards of all folders. Raises BindingError for a damaged one and for two of one name."""
    cards: dict[Path, Card] = {}
    for folder in folders:
        card = read_card(folder)
        twin = next((other for other, known in cards.items() if known.name == card.name), None)
        if twin is not None:
            raise BindingError(
                f"{twin} and {folder} are both named {card.name!r}; bind one under another name"
            )
        cards[folder] = card
    return cards


def expect_model(card: Card, folder: Path, name: str, made: Assembly) -> None:
    """Raise BindingError where the card is of another model than the one that is loaded."""
    if (card.to_identity, card.dim) == (made.identity, made.dim):
        return
    other = f"{card.to} with identity {card.to_identity[:12]}.."
    raise BindingError(
        f"{folder} ({card.name}) was bound to {other}; loaded is {name} with {made.identity[:12]}..: "
        f"load that model and those weights, or bind it again with `sensorium bind PAIRS --to {name}`"
    )


def attach(cards: Mapping[Path, Card], name: str, made: Assembly) -> Bound:
    """What the model `made`, loaded as `name`, gains by the bound senses. Raises BindingError."""
    for folder, card in cards.items():
        expect_model(card, folder, name, made)
    return Bound(
        senses={card.name: sense_of(card) for card in cards.values()},
        towers={card.name: tower_of(card, folder) for folder, card in cards.items()},
        identities={card.name: card.identity for card in cards.values()},
        background={pair: spread for card in cards.values() for pair, spread in card.background.items()},
    )
