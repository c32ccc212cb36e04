"""Figures as a table for the terminal and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

import orjson
from rich.table import Table

from evaluation.bootstrap import RESAMPLES, SEED
from evaluation.figure import Figure
from evaluation.run import Report


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def _interval(figure: Figure) -> str:
    if figure.low is None or figure.high is None:
        return ""
    return f"{_number(figure.low)} .. {_number(figure.high)}"


def _dataset_table(name: str, figures: Sequence[Figure], model: str) -> Table:
    """One row per figure; columns that would stay empty are left out."""
    swept = any(figure.variant for figure in figures)
    published = any(figure.published is not None for figure in figures)
    named = any(figure.prompts for figure in figures)
    table = Table(title=f"{name}, {model}", title_justify="left")
    for heading, right, shown in (
        ("task", False, True),
        ("variant", False, swept),
        ("measure", False, True),
        ("prompts", False, named),
        ("value", True, True),
        ("95 % interval", True, True),
        ("n", True, True),
        ("chance", True, True),
        ("published", True, published),
    ):
        if shown:
            table.add_column(heading, justify="right" if right else "left", overflow="fold")
    before = ""
    for figure in figures:
        head = f"{figure.task}{' (emergent)' if figure.emergent else ''}"
        cells = [head if head != before else ""]
        cells += [figure.variant or ""] if swept else []
        cells += [figure.measure, *([figure.prompts or ""] if named else [])]
        cells += [_number(figure.value), _interval(figure)]
        cells += [str(figure.n), _number(figure.chance)]
        cells += [_number(figure.published)] if published else []
        table.add_row(*cells)
        before = head
    return table


def tables(report: Report) -> list[Table]:
    """One table per data set."""
    names = list(dict.fromkeys(figure.dataset for figure in report.figures))
    return [
        _dataset_table(name, [one for one in report.figures if one.dataset == name], report.request.model)
        for name in names
    ]


def as_json(report: Report) -> bytes:
    """Everything: the request, the model's identity and licence, figures with intervals, remarks, seconds."""
    request = report.request
    document = {
        "model": request.model,
        "identity": report.identity,
        "licence": report.licence,
        "weights": str(request.weights) if request.weights else None,
        "device": request.device,
        "precision": request.precision,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "datasets": [{"name": name, "root": str(root)} for name, root in request.datasets],
        "split": request.split,
        "limit": request.limit,
        "bootstrap": {"level": 0.95, "resamples": RESAMPLES, "seed": SEED},
        "seconds": report.seconds,
        "notes": list(report.notes),
        "figures": [asdict(figure) for figure in report.figures],
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
