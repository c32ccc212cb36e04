"""The page of a training report: Markdown and its curves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from training.charts import Line, line_chart
from training.record import Record

PICTURES = "report"  # folder of the curves, below that of the page


def curves(record: Record) -> dict[str, str]:
    """{file name: SVG}: the loss, and the figures on unseen items, over the steps."""
    name = record.name
    loss = [Line("loss", *zip(*record.losses, strict=True))]
    drawn = {f"{name}-loss.svg": line_chart(f"{name}: loss", loss, "step", "loss")}
    figures = [Line(figure, *zip(*points, strict=True)) for figure, points in record.figures.items()]
    if figures:
        drawn[f"{name}-figures.svg"] = line_chart(f"{name}: unseen items", figures, "step", "figure")
    return drawn


def in_markdown(facts: Mapping[str, Any], records: Sequence[Record]) -> str:
    """The page. `facts`: as in `report.json`."""
    sections = {
        "Stages": _stage_table(facts["stages"]),
        "Figures": _figure_table(facts),
        "Curves": "\n\n".join(f"![{name}]({PICTURES}/{name})" for one in records for name in curves(one)),
        "Data": _data_table(facts),
        "Recipe": _listed({name: _settings(config) for name, config in facts["recipe"].items()}),
        "Machine": _listed(facts["machine"]),
    }
    head = f"# Training report\n\nMade {facts['made']}. {_weights_line(facts['weights'])}\n"
    return head + "".join(f"\n## {name}\n\n{body}\n" for name, body in sections.items() if body)


def _stage_table(stages: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (
            one["name"],
            f"{one['step']} of {one['steps']}",
            f"{one['seconds'] / 60:.1f} min",
            one["pauses"],
            f"{one['loss']:.4f}",
        )
        for one in stages
    ]
    minutes = sum(one["seconds"] for one in stages) / 60
    rows.append(("all", "", f"{minutes:.1f} min", sum(one["pauses"] for one in stages), ""))
    table = _table(("stage", "steps", "time", "pauses", "last loss"), rows)
    return f"{table}\n\nTime from the first to the last line of the record, without pauses."


def _data_table(facts: Mapping[str, Any]) -> str:
    table = _table(
        ("set", "modality", "train", "val", "licence"), [list(row.values()) for row in facts["data"]]
    )
    teacher = ", ".join(facts["teacher"])
    return f"{table}\n\nTeacher of the text tower: {teacher}. Licences as far as they are known."


def _figure_table(facts: Mapping[str, Any]) -> str:
    """Of the evaluation where there is one, else of each stage's last check."""
    if facts["figures"]:
        rows = [
            (
                one["task"],
                one["measure"],
                one.get("prompts") or "",
                f"{one['value']:.3f}",
                _interval(one),
                one.get("n", ""),
            )
            for one in facts["figures"]
        ]
        return _table(("task", "measure", "prompts", "value", "95 % interval", "items"), rows)
    checks = [
        (one["name"], name, f"{value:.3f}")
        for one in facts["stages"]
        for name, value in one["last_check"].items()
    ]
    said = "No evaluation was run; these are the figures of the last checks, of the towers before export."
    return f"{said}\n\n{_table(('stage', 'figure', 'value'), checks)}"


def _interval(figure: Mapping[str, Any]) -> str:
    low, high = figure.get("low"), figure.get("high")
    return "" if low is None or high is None else f"{low:.3f} to {high:.3f}"


def _weights_line(weights: Mapping[str, Any] | None) -> str:
    if weights is None:
        return "No weights were exported."
    return f"Weights: `{weights['name']}`, {weights['bytes']:,} bytes, sha256 `{weights['sha256']}`."


def _listed(facts: Mapping[str, Any]) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in facts.items() if value)


def _settings(config: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in config.items())


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "/") for cell in line) + " |" for line in lines)
