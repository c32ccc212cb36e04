"""Charts of a report, as SVG files."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from evaluation.figure import Figure
from training.charts import Bar, Point, bar_chart, scatter

Shown = Callable[[Figure], bool]

LONGEST_NAME = 24  # letters that a bar chart has room for beside its bars


def _bar(figure: Figure) -> Bar:
    """The task gives way where its name, the direction and the variant are too long together."""
    kind = figure.measure.removesuffix(" mAP").replace(" -> ", "\N{RIGHTWARDS ARROW}").replace("R@", "@")
    words = ([kind] if kind != "top-1" else []) + ([figure.variant] if figure.variant else [])
    room = LONGEST_NAME - sum(len(word) + 1 for word in words)
    task = (
        figure.task
        if len(figure.task) <= room
        else f"{figure.task[: max(room - 1, 4)]}\N{HORIZONTAL ELLIPSIS}"
    )
    return Bar(" ".join([task, *words]), figure.value, figure.low, figure.high)


def _first_prompts(figures: Sequence[Figure]) -> list[Figure]:
    """Of figures that differ in their prompts alone, the first."""
    found = {(f.dataset, f.task, f.measure, f.variant): f for f in reversed(figures)}
    return [figure for figure in figures if figure in found.values()]


def _gaps(figures: Sequence[Figure]) -> list[Point]:
    """Distance of centroids across, mean cosine of matched pairs up."""
    cosines = {(f.task, f.variant, f.measure.removeprefix("matched cosine ")): f.value for f in figures}
    points = []
    for figure in figures:
        pair = figure.measure.removeprefix("gap ")
        up = cosines.get((figure.task, figure.variant, pair))
        if figure.measure.startswith("gap ") and up is not None:
            points.append(Point(figure.value, up, figure.task, pair))
    return points


def charts(figures: Sequence[Figure]) -> dict[str, str]:
    """File name -> SVG, for every kind of measure that there is."""
    kept = _first_prompts(figures)
    wanted: tuple[tuple[str, str, Shown], ...] = (
        ("top-1", "Zero-shot top-1", lambda figure: figure.measure == "top-1"),
        ("recall", "Recall at 1 and at 10", lambda figure: figure.measure.endswith(("R@1", "R@10"))),
        ("map", "Mean average precision", lambda figure: figure.measure.endswith(" mAP")),
    )
    made = {}
    for name, title, shown in wanted:
        bars = [_bar(figure) for figure in kept if shown(figure)]
        if bars:
            made[f"{name}.svg"] = bar_chart(title, bars, "")
    points = _gaps(kept)
    if points:
        made["gap.svg"] = scatter("Modality gap", points, "distance of centroids", "cosine of pairs")
    return made


def write(figures: Sequence[Figure], folder: Path) -> list[Path]:
    """The charts below `folder` (made if absent)."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, svg in charts(figures).items():
        paths.append(folder / re.sub(r"[^\w.-]", "-", name))
        paths[-1].write_text(svg, encoding="utf-8")
    return paths
