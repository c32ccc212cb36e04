"""`report.md` of a binding: what was asked, what was seen, how well it finds what it never saw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import torch

from models.bound.card import Card
from training.binding.checkpoint import Progressed
from training.binding.config import BindConfig
from training.binding.manifest import Fault
from training.binding.pairs import Pairs
from training.binding.retrieval import KS, Figures
from training.charts import Line, line_chart

MOST_FAULTS = 200
MOST_CONFUSIONS = 10
MOST_CHECKS = 30
CURVE = "curve.svg"


@dataclass(frozen=True)
class Findings:
    """What a finished binding knows: held-out figures by anchor modality, groups taken for others."""

    figures: Mapping[str, Figures]
    confusions: Sequence[tuple[str, str, int]]
    faults: Sequence[Fault]
    notes: Sequence[str]


def confusions(
    z: torch.Tensor, items: Sequence[int], t: torch.Tensor, pairs: Pairs
) -> list[tuple[str, str, int]]:
    """(group, group it was taken for, how often): nearest held-out anchors that were the wrong ones."""
    seen = sorted({anchor for i in items for anchor in pairs.items[i].anchors})
    names = {item.group: item.name for item in reversed(pairs.items)}
    nearest = (z @ t[seen].T).argmax(1).tolist()
    wrong: Counter[tuple[str, str]] = Counter()
    for i, place in zip(items, nearest, strict=True):
        own, found = pairs.items[i].group, pairs.anchor_groups[seen[place]]
        if own != found:
            wrong[names[own], names[found]] += 1
    return [(*pair, count) for pair, count in wrong.most_common(MOST_CONFUSIONS)]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")[:120]


def _table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [heads, ["---"] * len(heads), *([_cell(str(cell)) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _figures(name: str, found: Mapping[str, Figures]) -> str:
    rows = []
    for modality, each in found.items():
        for way, one in (
            (f"{name} to {modality}", each.to_anchor),
            (f"{modality} to {name}", each.from_anchor),
        ):
            pairs = [f"{one.recall[k]:.3f} ({one.chance[k]:.3f})" for k in KS]
            rows.append([way, one.queries, one.candidates, *pairs, f"{one.mrr:.3f}"])
    heads = ["from, to", "queries", "candidates", *(f"R@{k} (chance)" for k in KS), "MRR"]
    return _table(heads, rows)


def _checks(progressed: Progressed) -> str:
    every = -(-len(progressed.history) // MOST_CHECKS)
    rows = [
        [int(each["step"]), each["loss"], each["mrr"], each["scale"]] for each in progressed.history[::every]
    ]
    return _table(["step", "loss", "MRR held out", "1 / temperature"], rows)


def curve(name: str, progressed: Progressed) -> str:
    """SVG: the held-out mean reciprocal rank over the steps."""
    steps = [each["step"] for each in progressed.history]
    ranks = [each["mrr"] for each in progressed.history]
    return line_chart(f"{name}: held-out MRR", [Line(name, steps, ranks)], "step", "MRR")


def _faults(faults: Sequence[Fault]) -> str:
    if not faults:
        return "Every row of the manifest was used."
    listed = [f"- {fault}" for fault in sorted(faults, key=lambda fault: fault.line)[:MOST_FAULTS]]
    more = [f"- and {len(faults) - MOST_FAULTS} more"] if len(faults) > MOST_FAULTS else []
    return "\n".join([f"Rows that could not be used: {len(faults)}", "", *listed, *more])


def written(card: Card, pairs: Pairs, config: BindConfig, progressed: Progressed, found: Findings) -> str:
    """The report as Markdown."""
    form = card.form
    shape = " x ".join(str(side) for side in (*form.size, form.channels))
    net = " ".join([f"`{card.net.kind}`", *map(str, card.net.widths)])
    made_of = (
        f"Files of kind `{form.kind}` ({shape}), net {net}, into {card.dim} dimensions of {card.to} "
        f"(identity `{card.to_identity}`). Identity of the tower: `{card.identity}`."
    )
    measured = (
        f"{len(pairs.val)} of {len(pairs.items)} files were held out ({pairs.held_out}). A match is an "
        "anchor of the same group; chance is drawing by lot among the same candidates."
    )
    trained = (
        f"Best of {len(progressed.history)} checks at step {progressed.best_step} of {progressed.done}. "
        f"Choices: {', '.join(f'{name} {value}' for name, value in asdict(config).items())}."
    )
    confused = [[one, other, count] for one, other, count in found.confusions]
    spreads = [[query, item, *spread] for (query, item), spread in sorted(card.background.items())]
    sections = [
        f"# {card.name}, bound to {card.to}",
        made_of,
        "## Held-out retrieval",
        measured,
        _figures(card.name, found.figures),
        "## Taken for something else",
        _table(["what it was", "taken for", "times"], confused) if confused else "Nothing that was held out.",
        "## Data",
        _table(["what", "count"], list(card.data.items())),
        *(f"Note: {note}." for note in found.notes),
        _faults(found.faults),
        "## Training",
        trained,
        f"![held-out retrieval and loss over the steps]({CURVE})",
        _checks(progressed),
        "## Background of unrelated pairs",
        _table(["query", "item", "mean", "deviation"], spreads),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"
