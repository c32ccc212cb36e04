"""From a manifest of pairs to a folder that a server loads as one more modality."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import save
from torch import nn

from models.bound.card import CARD, TOWER, Card, digest, expect_name, write_card
from models.bound.form import ARRAYS, Form, NetSizes, Scale
from models.bound.nets import build
from models.embedder import TOWER_OF, Embedder
from models.errors import BindingError
from models.registry import entry_of
from training.binding.anchors import embed_anchors
from training.binding.background import background_of
from training.binding.checkpoint import Progressed
from training.binding.config import BindConfig
from training.binding.files import ADAPTERS, form_of, read_files
from training.binding.inputs import inputs_of, net_of
from training.binding.manifest import Fault, Manifest, read_manifest
from training.binding.pairs import Pairs, make_pairs
from training.binding.report import CURVE, Findings, confusions, curve, written
from training.binding.train import Binding, Material, Run, held_out_figures, told, train, vectors

WORK, REPORT = "work", "report.md"
TOLD_FAULTS = 10

Say = Callable[[str], None]


@dataclass(frozen=True)
class Request:
    """What to bind. `net`, `size`: in place of what the files' shapes suggest. `out`: the folder to make."""

    manifest: Path
    name: str
    out: Path
    net: str | None = None
    size: int | None = None
    device: str = "cpu"
    overwrite: bool = False


@dataclass(frozen=True)
class Prepared:
    """What a tower is made for: form, statistics and net; and what it learns from."""

    form: Form
    scale: Scale
    net: NetSizes
    material: Material


def expect_free(request: Request) -> None:
    """Raise BindingError where a finished modality, or something else, is in the way."""
    expect_name(request.name)
    if request.out.exists() and not request.out.is_dir():
        raise BindingError(f"{request.out} is no folder; choose another --out")
    if (request.out / CARD).exists() and not request.overwrite:
        raise BindingError(
            f"{request.out} holds a finished modality; choose another --out, or add --overwrite"
        )


def anchor_senses(embedder: Embedder) -> tuple[str, ...]:
    """The modalities that anchors may have: those of the model itself, video where it sees images."""
    own = [name for name in embedder.modalities if name not in embedder.bound]
    return (*own, *(name for name, tower in TOWER_OF.items() if tower in own))


def needed_encoders(manifest: Path, model: str) -> tuple[str, ...] | None:
    """The encoders that the manifest's anchors ask of a registered model, None where that cannot be told.

    A model of gigabytes is then loaded no further than it is used. Raises BindingError.
    """
    entry = entry_of(model)
    if entry is None:
        return None
    senses = (*entry.modalities, *(name for name, tower in TOWER_OF.items() if tower in entry.modalities))
    used = {name for row in read_manifest(manifest, senses).rows for name in row.anchors}
    return tuple(sorted({TOWER_OF.get(name, name) for name in used})) or None


def tell_faults(faults: Sequence[Fault], ignored: Sequence[str], say: Say) -> None:
    """The first few unusable rows, by line; the report has all."""
    if ignored:
        say(f"columns that mean nothing here: {', '.join(ignored)}")
    for fault in sorted(faults, key=lambda fault: fault.line)[:TOLD_FAULTS]:
        say(str(fault))
    if len(faults) > TOLD_FAULTS:
        say(f"and {len(faults) - TOLD_FAULTS} rows more that cannot be used; the report lists them")


def gather(
    embedder: Embedder, request: Request, config: BindConfig, say: Say
) -> tuple[Prepared, list[Fault]]:
    """Manifest, files and anchors, as far as they can be used. Raises BindingError where too few remain."""
    manifest = read_manifest(request.manifest, anchor_senses(embedder))
    form = form_of([row.file for row in manifest.rows], request.net)
    contents, form, bad_files = read_files(manifest.rows, form)
    rows = [row for row in manifest.rows if row.file in contents]
    say(f"{len(contents)} files of kind {form.kind}, {len(rows)} rows; where the kind is wrong, use --net")
    anchored = embed_anchors(embedder, rows, request.out / WORK / "anchors.safetensors", say)
    faults = [*manifest.faults, *bad_files, *anchored.faults]
    unusable = {fault.line for fault in faults}
    tell_faults(faults, manifest.ignored, say)
    rows = [row for row in rows if row.line not in unusable]
    if not rows:
        raise BindingError(_nothing_left(manifest, faults))
    pairs = make_pairs(rows, contents, anchored.of_line, config.holdout, config.seed)
    say(
        f"{len(pairs.train)} files to train with, {len(pairs.val)} held out ({pairs.held_out}), "
        f"{pairs.groups} groups"
    )
    inputs, form, scale = inputs_of(request.name, form, pairs, request.size)
    net = net_of(form, request.net if request.net in ADAPTERS else None, len(pairs.train))
    t = torch.stack([anchored.vectors[anchor] for anchor in pairs.anchors])
    return Prepared(form, scale, net, Material(pairs, inputs, t)), faults


def _nothing_left(manifest: Manifest, faults: Sequence[Fault]) -> str:
    first = f", the first: {faults[0]}" if faults else ""
    return f"none of {len(manifest.rows) + len(manifest.faults)} rows can be used{first}"


def run_key(embedder: Embedder, request: Request, config: BindConfig, prepared: Prepared) -> str:
    """What makes a run the same run: its choices and all that it learns from."""
    pairs = prepared.material.pairs
    seen = [[item.digest, item.anchors, item.group] for item in pairs.items]
    facts = [asdict(config), asdict(prepared.form), asdict(prepared.scale), asdict(prepared.net)]
    text = json.dumps(
        [facts, request.name, embedder.identity, seen, [a.key for a in pairs.anchors], list(pairs.val)]
    )
    return hashlib.sha256(text.encode()).hexdigest()


def data_summary(request: Request, pairs: Pairs, faults: Sequence[Fault]) -> dict[str, int | str]:
    """What the card says of the data; nothing of the data themselves."""
    anchors = Counter(anchor.modality for anchor in pairs.anchors)
    return {
        "manifest": request.manifest.name,
        "manifest sha256": digest(request.manifest),
        "files": len(pairs.items),
        "files trained with": len(pairs.train),
        "files held out": len(pairs.val),
        "held out": pairs.held_out,
        "groups": pairs.groups,
        **{f"{modality} anchors": count for modality, count in anchors.items()},
        "rows not used": len(faults),
    }


def save_tower(tower: nn.Module, folder: Path) -> str:
    """Write the weights in one step; gives their sha256."""
    new = folder / f"{TOWER}.new"
    new.write_bytes(save({key: value.cpu().contiguous() for key, value in tower.state_dict().items()}))
    written_digest = digest(new)
    new.replace(folder / TOWER)
    return written_digest


def card_of(  # noqa: PLR0913, PLR0917 - what a card tells
    embedder: Embedder,
    request: Request,
    prepared: Prepared,
    model: Binding,
    config: BindConfig,
    tower: str,
    faults: Sequence[Fault],
) -> Card:
    """The card of a trained tower; backgrounds come from held-out items."""
    material = prepared.material
    pairs = material.pairs
    found = held_out_figures(model.tower, material, request.device)
    z = vectors(model.tower, material.inputs, pairs.val, request.device)
    sides = {}
    for modality in found:
        places = [i for i, anchor in enumerate(pairs.anchors) if anchor.modality == modality]
        sides[modality] = (material.t[places], material.t_groups[places])
    main = Counter(anchor.modality for anchor in pairs.anchors).most_common(1)[0][0]
    background = background_of(
        request.name, z, material.groups(pairs.val), sides, embedder.background, TOWER_OF.get(main, main)
    )
    return Card(
        name=request.name,
        form=prepared.form,
        scale=prepared.scale,
        net=prepared.net,
        to=embedder.name,
        to_identity=embedder.identity,
        dim=embedder.dim,
        temperature=round(float(model.scale(config.max_scale).detach()), 4),
        tower=tower,
        background=background,
        figures={
            modality: {"to": each.to_anchor.facts(), "from": each.from_anchor.facts()}
            for modality, each in found.items()
        },
        data=data_summary(request, pairs, faults),
    )


def notes_of(prepared: Prepared) -> list[str]:
    """What the reader of the report should know about how files went in."""
    notes = []
    lengths = prepared.material.inputs.count
    if prepared.form.kind in ARRAYS and int(lengths.max()) > 1:
        notes.append(
            f"long recordings went in as up to {int(lengths.max())} windows, whose vectors are averaged"
        )
    if len(prepared.material.pairs.val) < 50:
        notes.append("fewer than 50 files were held out, so the figures are rough")
    return notes


def bind(embedder: Embedder, request: Request, config: BindConfig, say: Say) -> Card:
    """Train a tower for a new sense onto the frozen `embedder` and write its folder.

    A run that was stopped goes on from its last check; the same request and seed give the same tower on the
    same machine. Raises BindingError naming what is wrong with the request or the data.
    """
    expect_free(request)
    prepared, faults = gather(embedder, request, config, say)
    material = prepared.material
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        tower = build(prepared.net, prepared.form, embedder.dim)
        key = run_key(embedder, request, config, prepared)
        run = Run(key, request.out / WORK / "checkpoint.safetensors", request.device, say)
        model, progressed = train(tower, material, config, run, prepared.form.kind)
    return finish(embedder, request, config, prepared, model, progressed, faults, say)


def finish(  # noqa: PLR0913, PLR0917 - all that a run has come to
    embedder: Embedder,
    request: Request,
    config: BindConfig,
    prepared: Prepared,
    model: Binding,
    progressed: Progressed,
    faults: Sequence[Fault],
    say: Say,
) -> Card:
    """Write weights, report and, last of all, the card."""
    material, out = prepared.material, request.out
    out.mkdir(parents=True, exist_ok=True)
    found = held_out_figures(model.tower, material, request.device)
    say(f"best at step {progressed.best_step}: {told(found)}")
    z = vectors(model.tower, material.inputs, material.pairs.val, request.device)
    confused = confusions(z, material.pairs.val, material.t, material.pairs)
    card = card_of(embedder, request, prepared, model, config, save_tower(model.tower, out), faults)
    findings = Findings(found, confused, faults, notes_of(prepared))
    (out / REPORT).write_text(written(card, material.pairs, config, progressed, findings), encoding="utf-8")
    (out / CURVE).write_text(curve(card.name, progressed), encoding="utf-8")
    write_card(card, out)
    (out / WORK / "checkpoint.safetensors").unlink(missing_ok=True)
    return card
