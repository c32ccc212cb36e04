"""From what was asked on the command line to figures."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import models
from evaluation import datasets
from evaluation.errors import EvaluationError
from evaluation.figure import Figure
from evaluation.layouts.tables import DataSet
from evaluation.prompts import expect_prompts
from evaluation.published import beside
from evaluation.tasks import Task
from evaluation.variants import PLAIN, Variant, sweep_of, variant_named
from evaluation.vectors import Vectors
from models.embedder import Embedder
from models.registry import REGISTRY, entry_of

FAILURES_SHOWN = 3


@dataclass(frozen=True)
class Request:
    """What to evaluate. `datasets`: (name, root); `limit`: most items of a task.

    `variants`: None for a sweep; `split`: None for each data set's own; `prompts`: None for each task's own.
    """

    model: str
    datasets: Sequence[tuple[str, Path]]
    weights: Path | None = None
    device: str = "cpu"
    precision: str = "fp32"
    split: str | None = None
    limit: int | None = None
    prompts: Sequence[str] | None = None
    variants: Sequence[str] | None = ("plain",)
    cache: Path | None = None
    workers: int = 1


@dataclass(frozen=True)
class Report:
    """All figures in the order asked for, and remarks."""

    request: Request
    identity: str
    licence: str
    figures: Sequence[Figure]
    notes: Sequence[str] = field(default_factory=tuple)
    seconds: float = 0.0


Seen = Callable[[Sequence[Figure]], None]


def _progress() -> Progress:
    """On stderr, so that stdout keeps the table; silent where nobody watches."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _expect(request: Request) -> None:
    """What can be known to be wrong before anything is loaded. Raises EvaluationError."""
    if not request.datasets:
        raise EvaluationError(f"name a data set with --dataset; known are\n\n{datasets.layouts_in_words()}")
    for name, _ in request.datasets:
        datasets.layout_named(name)
    expect_prompts(request.prompts or ())
    for text in request.variants or ():
        variant_named(text, request.model)
    if request.limit is not None and request.limit < 2:
        raise EvaluationError(f"the limit is {request.limit}; accepted are 2 items and more")


def _usable(name: str, found: DataSet, has: Sequence[str], model: str) -> tuple[list[Task], list[str]]:
    """The tasks that the model has encoders for, and a remark on the others. Raises EvaluationError."""
    able = [task for task in found.tasks if task.modalities <= set(has)]
    if not able:
        wanted = sorted(set().union(*(task.modalities for task in found.tasks)))
        raise EvaluationError(f"{name} needs {' and '.join(wanted)}; {model} has {', '.join(has)}")
    left = [task.name for task in found.tasks if task not in able]
    notes = [f"{name}: {model} has {', '.join(has)}; left out: {', '.join(left)}"] if left else []
    return able, [*(f"{name}: {note}" for note in found.notes), *notes]


def _variants(request: Request, modalities: frozenset[str]) -> list[Variant]:
    if request.variants is None:
        return sweep_of(modalities, request.model)
    return [variant_named(text, request.model) for text in request.variants] or [PLAIN]


def _touched(tasks: Sequence[Task], variant: Variant, *, first: bool) -> list[Task]:
    """What a variant can change; everything is measured once."""
    return [task for task in tasks if first or task.modalities & variant.modalities]


def _measured(task: Task, vectors: Vectors, request: Request, dataset: str, *, several: bool) -> list[Figure]:
    start = time.perf_counter()
    asked = task.limited(request.limit) if request.limit else task
    found = asked.measure(vectors, request.prompts)
    seconds = time.perf_counter() - start
    touched = bool(task.modalities & {"depth", "thermal"})
    name = vectors.variant.name if touched and (several or vectors.variant.names) else None
    return [
        beside(replace(figure, dataset=dataset, variant=name, seconds=seconds), request.model)
        for figure in found
    ]


def _failures(vectors: Vectors, dataset: str, figures: Sequence[Figure]) -> list[str]:
    if not vectors.failed:
        return [] if figures else [f"{dataset}: there was nothing to measure"]
    some = "; ".join(f"{item.key}: {why}" for item, why in list(vectors.failed.items())[:FAILURES_SHOWN])
    return [f"{dataset}: {len(vectors.failed)} items could not be used, for example {some}"]


def _loaded(request: Request, tasks: Sequence[Task]) -> Embedder:
    needed = sorted(set().union(*(task.modalities for task in tasks)))
    return models.load(
        request.model,
        weights=request.weights,
        modalities=needed,
        device=request.device,
        precision=request.precision,
    )


def _modalities_of(model: str) -> tuple[str, ...]:
    """Raises EvaluationError."""
    entry = entry_of(model)
    if entry is None:
        raise EvaluationError(f"there is no model {model!r}; accepted are {', '.join(REGISTRY)}")
    return entry.modalities


def evaluate(request: Request, seen: Seen = lambda _: None) -> Report:
    """Every figure of every data set; `seen` is called with the figures of each task as they come.

    Raises EvaluationError and the SensoriumError family before anything is measured.
    """
    _expect(request)
    has = _modalities_of(request.model)
    start = time.perf_counter()
    found = [(name, datasets.load(name, root, request.split)) for name, root in request.datasets]
    plans = [(name, *_usable(name, held, has, request.model)) for name, held in found]
    notes = [note for _, _, said in plans for note in said]
    embedder = _loaded(request, [task for _, tasks, _ in plans for task in tasks])
    figures: list[Figure] = []
    with _progress() as progress:
        for name, tasks, _ in plans:
            vectors = Vectors(embedder, progress, cache=request.cache, workers=request.workers)
            variants = _variants(request, frozenset().union(*(task.modalities for task in tasks)))
            for number, variant in enumerate(variants):
                vectors.use(variant)
                for task in _touched(tasks, variant, first=number == 0):
                    new = _measured(task, vectors, request, name, several=len(variants) > 1)
                    seen(new)
                    figures += new
            notes += _failures(vectors, name, [one for one in figures if one.dataset == name])
    return Report(request, embedder.identity, embedder.licence, figures, notes, time.perf_counter() - start)
