"""`modality.json` of a bound sense: what it is, what it is bound to, and the identity of its vectors."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from models.bound.form import ARRAYS, KINDS, Form, NetSizes, Scale
from models.bound.nets import NETS
from models.embedder import Background
from models.errors import BindingError
from models.modalities import MODALITIES
from models.small.assemble import PREPROCESSING as LENT_PREPROCESSING

FORMAT = "sensorium-bound-1"
# Part of the identity: raise it when a change to decode, prepare or a net moves vectors.
PREPROCESSING = "bound 1"
CARD, TOWER = "modality.json", "tower.safetensors"
NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
# Words of the part grammar, of manifests and of the OpenAPI document that no sense can be called.
RESERVED = (
    "id", "vector", "parts", "type", "weight", "modality", "content", "metadata", "ids", "items", "file",
    "label", "split", "stored", "blend", "openai",
)  # fmt: skip


def expect_name(name: str) -> str:
    """A name that a new sense may have. Raises BindingError."""
    if name in MODALITIES:
        raise BindingError(f"the name {name!r} is taken: there is a modality of this name; choose another")
    if name in RESERVED or not NAME.fullmatch(name):
        raise BindingError(
            f"{name!r} cannot name a modality: accepted are up to 32 of a-z 0-9 _ with a letter first, "
            f"but none of {', '.join(RESERVED)}"
        )
    return name


@dataclass(frozen=True)
class Card:
    """A bound sense. `to`, `to_identity`: the model whose space of `dim` its vectors lie in.

    `temperature`: the factor on the cosine inside the softmax it was trained with. `background`: mean and
    standard deviation of the cosine of unrelated items, of pairs of modalities with this one among them.
    `tower`: sha256 of the weights' file. `figures`, `data`: what the training measured and what it saw.
    """

    name: str
    form: Form
    scale: Scale
    net: NetSizes
    to: str
    to_identity: str
    dim: int
    temperature: float
    tower: str
    background: Background = field(default_factory=dict)
    figures: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def identity(self) -> str:
        """sha256 over all that moves vectors: weights, form, statistics, net and the model bound to."""
        lent = "" if self.form.kind in ARRAYS else LENT_PREPROCESSING
        moving = [PREPROCESSING, lent, asdict(self.form), asdict(self.scale), asdict(self.net)]
        text = json.dumps([*moving, self.to_identity, self.dim, self.tower], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def _nested(background: Background) -> dict[str, dict[str, list[float]]]:
    nested: dict[str, dict[str, list[float]]] = {}
    for (query, item), spread in sorted(background.items()):
        nested.setdefault(query, {})[item] = list(spread)
    return nested


def write_card(card: Card, folder: Path) -> None:
    """Write `modality.json`, in one step."""
    written = {
        "format": FORMAT,
        "name": card.name,
        "identity": card.identity,
        "bound_to": {"model": card.to, "identity": card.to_identity, "dimension": card.dim},
        "form": asdict(card.form),
        "net": asdict(card.net),
        "temperature": card.temperature,
        "tower": {"file": TOWER, "sha256": card.tower},
        "figures": card.figures,
        "data": card.data,
        "background": _nested(card.background),
        "normalisation": asdict(card.scale),
    }
    new = folder / f"{CARD}.new"
    new.write_text(json.dumps(written, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    new.replace(folder / CARD)


def _numbers(values: Any) -> tuple[float, ...]:
    numbers = tuple(float(value) for value in values)
    if not all(map(math.isfinite, numbers)):
        raise ValueError("numbers that are not finite")
    return numbers


def _background(nested: Mapping[str, Mapping[str, Any]]) -> Background:
    pairs = {(query, item): spread for query, row in nested.items() for item, spread in row.items()}
    numbers = {pair: _numbers(spread) for pair, spread in pairs.items()}
    return {pair: (mean, std) for pair, (mean, std) in numbers.items()}


def _form(read: Mapping[str, Any]) -> Form:
    form = Form(
        str(read["kind"]),
        int(read["channels"]),
        tuple(int(side) for side in read["size"]),
        tuple(str(column) for column in read["columns"]),
    )
    if form.kind not in KINDS or form.channels < 1 or min(form.size, default=1) < 1:
        raise ValueError(f"a form of {form}")
    return form


def _net(read: Mapping[str, Any]) -> NetSizes:
    net = NetSizes(str(read["kind"]), tuple(int(width) for width in read["widths"]))
    if net.kind not in NETS or min(net.widths, default=1) < 1:
        raise ValueError(f"a net of {net}")
    return net


def _card(read: Mapping[str, Any]) -> Card:
    if read["format"] != FORMAT:
        raise ValueError(f"format {read['format']!r}; this version reads {FORMAT}")
    to, scale = read["bound_to"], {key: _numbers(row) for key, row in read["normalisation"].items()}
    (temperature,) = _numbers([read["temperature"]])
    return Card(
        name=expect_name(str(read["name"])),
        form=_form(read["form"]),
        scale=Scale(**scale),
        net=_net(read["net"]),
        to=str(to["model"]),
        to_identity=str(to["identity"]),
        dim=int(to["dimension"]),
        temperature=temperature,
        tower=str(read["tower"]["sha256"]),
        background=_background(read["background"]),
        figures=dict(read["figures"]),
        data=dict(read["data"]),
    )


def digest(path: Path) -> str:
    """sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_card(folder: Path) -> Card:
    """The card of a folder that `sensorium bind` made, with its weights beside it as they were written.

    Raises BindingError.
    """
    try:
        read = json.loads((folder / CARD).read_text(encoding="utf-8"))
        card = _card(read)
        unchanged = digest(folder / TOWER) == card.tower and read["identity"] == card.identity
    except FileNotFoundError as error:
        wanted = f"accepted are folders made by `sensorium bind`, with {CARD} and {TOWER}"
        raise BindingError(
            f"{folder} is no bound modality: {Path(error.filename).name} is missing; {wanted}"
        ) from error
    except OSError as error:
        raise BindingError(f"{folder} could not be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BindingError(f"{folder / CARD} is damaged ({error}); bind the modality again") from error
    if not unchanged:
        raise BindingError(
            f"{folder} is damaged or was changed: {CARD} and {TOWER} are not those that were written "
            "together; put back a copy or bind the modality again"
        )
    return card
