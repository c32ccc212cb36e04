"""`sensorium reembed`: the items of a collection, encoded again by the loaded model."""

from __future__ import annotations

import shlex
import sys
import time
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from index.errors import StoreError
from index.items import Row, Segment
from index.reembedding import Reembedding, Source, reembedding
from models.embedder import Embedder, Views
from models.errors import MediaError, SensoriumError
from models.samples import Sample
from models.segments import Span, prepared
from service.engine import limits_of
from service.ingest import WEIGHT
from service.loading import load_model
from service.recordings import group_of
from service.settings import Settings

BATCH = 32
SAID_EVERY_S = 5.0
SHOWN = 20

Failed = dict[str, str]


def say(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201 - the command's output


class Progress:
    """Every few seconds: how many items, how fast, how long still."""

    def __init__(self, items: int, done: int) -> None:
        self.items, self.done, self.began_with = items, done, done
        self.began = self.said = time.monotonic()

    def add(self, count: int) -> None:
        self.done += count
        now = time.monotonic()
        if now - self.said >= SAID_EVERY_S or self.done == self.items:
            self.said = now
            rate = (self.done - self.began_with) / max(now - self.began, 1e-9)
            left = (self.items - self.done) / rate
            say(f"{self.done}/{self.items} items  {rate:.1f}/s  {left / 60:.1f} min left")


def sample_of(embedder: Embedder, settings: Settings, source: Source) -> Sample:
    """What the item was made of, decoded as when it was stored. Raises SensoriumError, StoreError."""
    whole, *others = source.segments
    if whole is not None or None in others:
        raise MediaError(f"it has {len(source.segments)} vectors, of parts of its media that are not known")
    params = {name: value for name, value in source.params.items() if name != WEIGHT}
    return embedder.decode(source.modality, source.media(), limits=limits_of(settings), **params)


def segment_rows(embedder: Embedder, source: Source, sample: Sample) -> list[Row]:
    """The rows of the segments that the item has, as far as they can be made again."""
    wanted = [Span(each.start_s, each.end_s) for each in source.segments if each is not None]
    rest = iter(prepared(embedder.tower(source.modality).prepare, sample, wanted))
    rows: list[Row] = []
    while group := group_of(rest, BATCH):
        vectors = embedder.encode(source.modality, [each.views for each in group])
        spans = [Segment(each.span.start_s, each.span.end_s) for each in group]
        rows += [Row(vector, span) for vector, span in zip(vectors, spans, strict=True)]
    return rows


def encode(
    embedder: Embedder, settings: Settings, sources: Sequence[Source], failed: Failed
) -> list[tuple[Source, list[Row]]]:
    """New vectors of those that can be encoded; what hinders the others goes to `failed`."""
    ready: defaultdict[str, list[tuple[Source, Views, list[Row]]]] = defaultdict(list)
    for source in sources:
        try:
            embedder.tower(source.modality)
            sample = sample_of(embedder, settings, source)
            views = embedder.prepare(source.modality, sample)
            ready[source.modality].append((source, views, segment_rows(embedder, source, sample)))
        except (SensoriumError, StoreError) as error:
            failed[source.id] = str(error)
    made = []
    for modality, each in ready.items():
        vectors = embedder.encode(modality, [views for _, views, _ in each])
        for (source, _, segments), vector in zip(each, vectors, strict=True):
            sign = np.sign(source.params.get(WEIGHT, 1))
            made.append((source, [Row(sign * vector), *segments]))
    return made


def encode_all(embedder: Embedder, settings: Settings, work: Reembedding) -> Failed:
    """Encode what is left to do; gives what hinders some, by id."""
    failed: Failed = {}
    progress = Progress(*work.count())
    if progress.done:
        say(f"going on: {progress.done} of {progress.items} items have their new vectors")
    for sources in work.pending(BATCH):
        work.put(encode(embedder, settings, sources, failed))
        progress.add(len(sources))
    return failed


def command(settings: Settings, name: str, *more: str) -> str:
    """The command line that does this again, with the options that say where and with what."""
    words = ["sensorium", "reembed", name]
    for option in ("data_dir", "model", "weights", "device", "precision"):
        value = getattr(settings, option)
        if value != Settings.model_fields[option].default:
            words += [f"--{option.replace('_', '-')}", str(value)]
    for folder in settings.bound:
        words += ["--bound", str(folder)]
    return shlex.join([*words, *more])


def tell_failed(failed: Failed) -> None:
    say(f"{len(failed)} items cannot be encoded again:")
    for identifier in list(failed)[:SHOWN]:
        say(f"  {identifier}: {failed[identifier]}")
    if len(failed) > SHOWN:
        say(f"  and {len(failed) - SHOWN} more")


def complete(
    embedder: Embedder, settings: Settings, work: Reembedding, name: str, *, drop_missing: bool
) -> int:
    """Encode all and finish, unless items would be lost that the caller has not given up."""
    failed = encode_all(embedder, settings, work)
    if failed:
        tell_failed(failed)
    if failed and not drop_missing:
        again = command(settings, name, "--drop-missing")
        say(f"the collection {name!r} is as it was; `{again}` goes on without")
        return 1
    work.finish()
    items, done = work.count()
    say(f"{name}: {done} items have vectors of {embedder.name}, {items - done} were dropped")
    return 0


def run(settings: Settings, name: str, *, drop_missing: bool) -> int:
    """Encode the collection again; progress and faults go to stderr. Gives the exit code."""
    try:
        embedder = load_model(settings)
        return reembed(embedder, settings, name, drop_missing=drop_missing)
    except (SensoriumError, StoreError, OSError) as error:
        say(str(error))
        return 1


def reembed(embedder: Embedder, settings: Settings, name: str, *, drop_missing: bool) -> int:
    """As `run`, with a loaded model. Raises SensoriumError, StoreError."""
    work_on = reembedding(
        settings.data_dir,
        name,
        model=embedder.name,
        identity=embedder.identity,
        dimension=embedder.dim,
        bound=embedder.bound,
    )
    with work_on as work:
        if work is None:
            say(f"the vectors of {name!r} are those of {embedder.name} already: nothing to do")
            return 0
        return complete(embedder, settings, work, name, drop_missing=drop_missing)
