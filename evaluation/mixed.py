"""Lists of several modalities: is what a query finds first what it asks for, whatever its modality?

`python -m evaluation.mixed --root DIR [--weights FILE]`

Items of six modalities stand in one real collection; sentences and items of every modality ask for what shows
the same concept. Each list is ordered by cosine and by `calibrated`; beside them stands the `ceiling`: what
the best order reaches that keeps the one within each modality. Relevant are all items of the collection that
share a concept with the query, other than the query itself; gains are 0 and 1, see `evaluation/ndcg.py`.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress

import index
import models
from evaluation.figure import Figure, Pen
from evaluation.items import Item, text_item
from evaluation.layouts.packs import member_item
from evaluation.layouts.tables import DataSet, first_there, rows_of
from evaluation.metrics import Float32
from evaluation.ndcg import AT, best_merge, ndcg, ratio_interval
from evaluation.vectors import Vectors
from models.embedder import Background
from training.background import named_in
from training.index import Item as Row
from training.index import read_index, split_of
from training.names import DIGITS, sentences
from training.phrases import captions

MODALITIES = ("text", "image", "audio", "thermal", "depth", "imu")
MOST = 2000  # items of a modality
ASKING = 300  # items of a modality that are queries
AT_A_TIME = 500
EXPECTS = """\
index.csv         as for `sensorium`; --split val
ARCHIVE           the zip and npz files that it names
text/             captions of AudioCaps, Clotho and Flickr8k"""


@dataclass(frozen=True)
class Entry:
    """Something that shows or says `concepts`."""

    item: Item
    modality: str
    concepts: frozenset[str]


def evenly(rows: Sequence[Row], most: int) -> list[Row]:
    """At most `most`, every concept of every archive alike often as far as it goes."""
    groups: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.archive, row.concept].append(row)
    turns = [(turn, place) for place, group in enumerate(groups.values()) for turn in range(len(group))]
    listed = list(groups.values())
    return [listed[place][turn] for turn, place in sorted(turns)[:most]]


def things(root: Path, rows: Sequence[Row], modality: str) -> list[Entry]:
    own = [row for row in rows if row.modality == modality and row.concept]
    return [
        Entry(member_item(root, row), modality, frozenset(row.concept.split("|")))
        for row in evenly(own, MOST)
    ]


def captioned(root: Path, concepts: Sequence[str]) -> list[Entry]:
    """Captions that name a concept; digits are left out, as "one" and "two" mean something else in them."""
    texts = captions(root)[1]
    texts = texts[:: max(1, len(texts) // (2 * MOST))]
    named = zip(texts, named_in(texts, [one for one in concepts if one not in DIGITS]), strict=True)
    found = [Entry(text_item(text), "text", frozenset(shown.split("|"))) for text, shown in named if shown]
    return found[:: max(1, len(found) // 1000)]


def asked(rows: Sequence[Row]) -> list[Entry]:
    """Every other sentence of each label, in the words of its modality."""
    said = {
        (text, row.concept): None
        for row in rows
        if row.name and row.concept and "|" not in row.concept
        for text in sentences(row.modality, row.name)[1::2]
    }
    return [Entry(text_item(text), "text", frozenset([concept])) for text, concept in said]


@dataclass(frozen=True)
class List:
    """What one query finds: nDCG, and the modalities of the results."""

    value: float
    modalities: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Mixed:
    """`entries` are the collection; `queries` ask it, those of `entries` without themselves."""

    entries: Sequence[Entry]
    queries: Sequence[Entry]
    name: str = "mixed lists"
    modalities: frozenset[str] = frozenset(MODALITIES)

    def limited(self, count: int) -> Mixed:
        """The same with at most `count` items and queries of each modality, evenly spread."""
        return Mixed(_thinned(self.entries, count), _thinned(self.queries, count), self.name)

    def measure(self, vectors: Vectors, _: Sequence[str] | None) -> list[Figure]:
        """nDCG@10 by cosine and calibrated and their ratio, for every query modality and for all alike."""
        z, kept = vectors.of([entry.item for entry in self.entries])
        entries = [self.entries[place] for place in kept]
        asking, there = vectors.of([query.item for query in self.queries])
        queries = [self.queries[place] for place in there]
        if not entries or not queries:
            return []
        with tempfile.TemporaryDirectory() as folder, index.Store.open(Path(folder)) as store:
            collection, _new = store.create("mixed", model="m", identity="i", dimension=z.shape[1])
            fill(collection, entries, z)
            search = Search(collection, entries, vectors.embedder.background)
            return [
                figure
                for others in (False, True)
                for figure in self._figures(search, queries, asking, others=others)
            ]

    def _figures(
        self, search: Search, queries: Sequence[Entry], asking: Float32, *, others: bool
    ) -> list[Figure]:
        figures: list[Figure] = []
        for modality in [one for one in MODALITIES if any(query.modality == one for query in queries)]:
            places = [place for place, query in enumerate(queries) if query.modality == modality]
            pairs = [
                (queries[place], *search.orders(queries[place], asking[place], others=others))
                for place in places
            ]
            pairs = [pair for pair in pairs if not np.isnan(pair[1].value)]
            if pairs:
                what = "other modalities" if others else "all modalities"
                figures += _compared(Pen(f"{modality} asks {what}"), *zip(*pairs, strict=True))
        return figures


def _thinned(entries: Sequence[Entry], count: int) -> list[Entry]:
    by_modality = {one: [entry for entry in entries if entry.modality == one] for one in MODALITIES}
    return [
        own[place]
        for own in by_modality.values()
        for place in np.unique(np.linspace(0, len(own) - 1, min(count, len(own)), dtype=int))
    ]


def _compared(
    pen: Pen,
    queries: Sequence[Entry],
    raw: Sequence[List],
    calibrated: Sequence[List],
    ceiling: Sequence[List],
) -> list[Figure]:
    kinds = {kind: number for number, kind in enumerate(dict.fromkeys(query.concepts for query in queries))}
    groups = np.array([kinds[query.concepts] for query in queries])
    ones, others = (np.array([one.value for one in lists]) for lists in (raw, calibrated))
    low, high = ratio_interval(others, ones, groups)
    ratio = others.mean() / max(ones.mean(), 1e-12)
    return [
        pen.mean("nDCG@10 cosine", ones, groups=groups),
        pen.mean("nDCG@10 calibrated", others, groups=groups),
        pen.plain("nDCG@10 ceiling", float(np.mean([one.value for one in ceiling])), len(ceiling)),
        Figure(pen.task, "ratio", float(ratio), len(ones), low, high),
        *_shares(pen, "cosine", raw),
        *_shares(pen, "calibrated", calibrated),
    ]


def _shares(pen: Pen, how: str, lists: Sequence[List]) -> list[Figure]:
    counts = Counter(modality for one in lists for modality in one.modalities)
    return [
        pen.plain(f"share of {one}, {how}", counts[one] / counts.total(), len(lists))
        for one in MODALITIES
        if counts[one]
    ]


def _worth(one: List) -> float:
    return one.value


def fill(collection: index.Collection, entries: Sequence[Entry], z: Float32) -> None:
    items = [
        index.Item(str(place), entry.modality, (index.Row(z[place]),)) for place, entry in enumerate(entries)
    ]
    for start in range(0, len(items), AT_A_TIME):
        collection.upsert(items[start : start + AT_A_TIME])


class Search:
    """Asks a collection whose ids are places in `entries`."""

    def __init__(
        self, collection: index.Collection, entries: Sequence[Entry], background: Background
    ) -> None:
        self._collection, self._entries, self._background = collection, entries, background
        self._places: Mapping[Item, int] = {entry.item: place for place, entry in enumerate(entries)}

    def orders(self, query: Entry, vector: Float32, *, others: bool) -> tuple[List, List, List]:
        """By cosine, calibrated and at best; `others`: only modalities that are not the query's."""
        own = self._places.get(query.item)
        within = {entry.modality for entry in self._entries} - ({query.modality} if others else set())
        related = sum(
            place != own and entry.modality in within and bool(entry.concepts & query.concepts)
            for place, entry in enumerate(self._entries)
        )
        exclude = set() if own is None else {str(own)}
        raw, calibrated = (
            self._list(query, vector, related, sorted(within), exclude, calibrate=calibrate)
            for calibrate in (False, True)
        )
        best = max((self._best(query, vector, related, sorted(within), exclude), raw, calibrated), key=_worth)
        return raw, calibrated, best

    def _best(
        self, query: Entry, vector: Float32, related: int, within: Sequence[str], exclude: set[str]
    ) -> List:
        """What a merge of the modalities' lists reaches that knows what is relevant."""
        hits = self._collection.search(
            vector,
            query_modality=query.modality,
            limit=AT * len(within),
            per_modality=AT,
            modalities=within,
            exclude=exclude,
            background=self._background,
        )
        lists: defaultdict[str, list[bool]] = defaultdict(list)
        for hit in hits:
            lists[hit.modality].append(bool(self._entries[int(hit.id)].concepts & query.concepts))
        return List(ndcg(best_merge(list(lists.values())), related), ())

    def _list(  # noqa: PLR0913 - the query and what is searched
        self,
        query: Entry,
        vector: Float32,
        related: int,
        within: Sequence[str],
        exclude: set[str],
        *,
        calibrate: bool,
    ) -> List:
        hits = self._collection.search(
            vector,
            query_modality=query.modality,
            limit=AT,
            modalities=within,
            exclude=exclude,
            calibrate=calibrate,
            background=self._background,
        )
        found = [bool(self._entries[int(hit.id)].concepts & query.concepts) for hit in hits]
        return List(ndcg(found, related), tuple(hit.modality for hit in hits))


def mixed(root: Path, split: str = "val") -> Mixed:
    """The collection and the queries of an index folder (`training/index.py`)."""
    rows = [row for modality in MODALITIES for row in split_of(read_index(root), modality, split)]
    media = [entry for modality in MODALITIES[1:] for entry in things(root, rows, modality)]
    concepts = sorted({one for entry in media for one in entry.concepts})
    return Mixed([*captioned(root, concepts), *media], [*asked(rows), *_thinned(media, ASKING)])


def load(root: Path, split: str | None) -> DataSet:
    """The mixed lists as a data set of `sensorium evaluate`. Raises LayoutError."""
    rows_of(first_there(root, "index.csv"), Row.__dataclass_fields__)
    return DataSet([mixed(root, split or "val")])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="folder with index.csv and its packs")
    parser.add_argument("--weights", type=Path, help="another file of sensorium-small")
    parser.add_argument("--cache", type=Path, help="folder that keeps vectors for the next run")
    chosen = parser.parse_args()
    embedder = models.load("sensorium-small", weights=chosen.weights)
    with Progress() as progress:
        figures = mixed(chosen.root).measure(Vectors(embedder, progress, cache=chosen.cache), None)
    out = Console(highlight=False, markup=False, soft_wrap=True)
    for figure in figures:
        interval = "" if figure.low is None else f"  [{figure.low:.3f}, {figure.high:.3f}]"
        out.print(f"{figure.task:32}{figure.measure:34}{figure.value:.3f}{interval}  n={figure.n}")
    for what in ("all modalities", "other modalities"):
        own = [figure for figure in figures if figure.task.endswith(what)]
        means = [
            float(np.mean([figure.value for figure in own if figure.measure == f"nDCG@10 {how}"]))
            for how in ("cosine", "calibrated", "ceiling")
        ]
        gain, most = means[1] / means[0], means[2] / means[0]
        out.print(
            f"every modality alike, {what}: {means[0]:.3f} -> {means[1]:.3f}, x {gain:.3f} "
            f"(ceiling {means[2]:.3f}, x {most:.3f})"
        )


if __name__ == "__main__":
    main()
