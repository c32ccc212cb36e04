"""From a query part to results: vectors, one or several searches, groups, variety."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
import orjson

from index import Collection, Hit
from index.towers import mismatch
from models.embedder import TOWER_OF, Background, Embedder
from models.errors import ParameterError
from service.batch import Vector
from service.engine import Engine
from service.errors import LocatedError
from service.parts import Fused, Part, Stored, leaves
from service.vectorizer import Embedded, Lookup

# Reciprocal rank fusion after Cormack, Clarke and Buettcher 2009, whose constant this is.
RRF_CONSTANT = 60
# How many candidates are looked at for each result that is grouped, made various or fused by rank.
CANDIDATES_PER_RESULT = 5
FEWEST_CANDIDATES = 100
MOST_CANDIDATES = 1_000_000


@dataclass(frozen=True)
class Wanted:
    """What is asked of the results; `conditions` go to the collection's own search as they are."""

    limit: int
    offset: int = 0
    per_modality: int | None = None
    group_by: str | None = None
    diversity: float = 0.0
    fusion: str = "sum"
    conditions: Mapping[str, Any] = field(default_factory=dict)

    @property
    def needed(self) -> int:
        return self.offset + self.limit

    @property
    def plain(self) -> bool:
        """Whether the collection's own order is the answer."""
        return self.fusion == "sum" and self.group_by is None and self.diversity == 0


@dataclass(frozen=True, eq=False)
class Found:
    """A hit; `rank_score` of the fused ranks, `group` the value it stands for."""

    hit: Hit
    rank_score: float | None = None
    group: Any = None


@dataclass(frozen=True, eq=False)
class Probe:
    """A vector to search with, its share among several, and the ids to leave out."""

    embedded: Embedded
    weight: float
    exclude: frozenset[str]


def lookup_in(engine: Engine, collection: Collection) -> Lookup:
    """Vectors of stored items, those of the whole where they have segments."""

    async def lookup(identifier: str) -> Embedded:
        item = await engine.in_index(collection.get, identifier, with_vector=True)
        return Embedded(cast("Vector", item.vector), item.modality)

    return lookup


async def probes_of(engine: Engine, collection: Collection, query: Part, fusion: str) -> list[Probe]:
    """One probe, or with rank fusion one for each part of the query."""
    vectorizer = engine.model_of(collection).vectorizer
    exclude = frozenset(leaf.content.id for leaf in leaves(query) if isinstance(leaf.content, Stored))
    several = fusion == "rrf" and isinstance(query.content, Fused)
    parts = query.content.parts if several and isinstance(query.content, Fused) else (query,)
    if several and min(part.weight for part in parts) <= 0:
        message = "ranks can only be fused with weights above 0; use fusion `sum` to subtract"
        raise LocatedError(ParameterError(message), "fusion")
    parts = tuple(await engine.fetched(parts))
    lookup = lookup_in(engine, collection)
    with vectorizer.admission(parts):
        embedded = await asyncio.gather(
            *(
                vectorizer.embed(replace(part, weight=1.0) if several else part, lookup=lookup)
                for part in parts
            )
        )
    return [Probe(one, part.weight, exclude) for one, part in zip(embedded, parts, strict=True)]


def background_of(embedder: Embedder) -> Background:
    """The model's background of every pair of modalities; video has that of its tower."""
    towers = {name: TOWER_OF.get(name, name) for name in embedder.senses}
    known = embedder.background
    pairs = ((query, item) for query in towers for item in towers)
    return {(q, i): known[towers[q], towers[i]] for q, i in pairs if (towers[q], towers[i]) in known}


def hits_of(
    collection: Collection, probe: Probe, wanted: Wanted, background: Background, **window: Any
) -> list[Hit]:
    return collection.search(
        probe.embedded.vector,
        query_modality=probe.embedded.modality,
        exclude=probe.exclude,
        background=background,
        **wanted.conditions,
        **window,
    )


def plain_search(collection: Collection, probe: Probe, wanted: Wanted, background: Background) -> list[Found]:
    window = {"limit": wanted.limit, "offset": wanted.offset, "per_modality": wanted.per_modality}
    return [Found(hit) for hit in hits_of(collection, probe, wanted, background, **window)]


def fused(lists: Sequence[Sequence[Hit]], probes: Sequence[Probe]) -> list[Found]:
    """Reciprocal rank fusion; each item shown by its best-scored hit, ties by id."""
    scores: defaultdict[str, float] = defaultdict(float)
    best: dict[str, Hit] = {}
    for hits, probe in zip(lists, probes, strict=True):
        for rank, hit in enumerate(hits, start=1):
            scores[hit.id] += probe.weight / (RRF_CONSTANT + rank)
            if hit.id not in best or hit.score > best[hit.id].score:
                best[hit.id] = hit
    ordered = sorted(best, key=lambda identifier: (-scores[identifier], identifier))
    return [Found(best[identifier], scores[identifier]) for identifier in ordered]


def value_at(metadata: Mapping[str, Any], key: str) -> Any:
    """The value of a key; dots lead into nested objects, unless there is a key of just that name."""
    if key in metadata:
        return metadata[key]
    value: Any = metadata
    for name in key.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def grouped(found: Iterable[Found], key: str | None) -> list[Found]:
    """The first of each value of a metadata key; items without it belong to no group and are left out."""
    if key is None:
        return list(found)
    first: dict[bytes, Found] = {}
    for each in found:
        value = value_at(each.hit.metadata, key)
        if value is not None:
            first.setdefault(orjson.dumps(value, option=orjson.OPT_SORT_KEYS), replace(each, group=value))
    return list(first.values())


def within_quota(found: Iterable[Found], per_modality: int | None) -> list[Found]:
    if per_modality is None:
        return list(found)
    seen: Counter[str] = Counter()
    kept = []
    for each in found:
        seen[each.hit.modality] += 1
        if seen[each.hit.modality] <= per_modality:
            kept.append(each)
    return kept


def various(found: Sequence[Found], diversity: float, needed: int) -> list[Found]:
    """Maximal marginal relevance (Carbonell and Goldstein 1998) over the candidates, the best one first.

    Relevance falls evenly with the rank, since scores of different modalities are not of one scale.
    """
    if not found:
        return []
    vectors = np.stack([each.hit.vector for each in found if each.hit.vector is not None])
    relevance = np.linspace(1.0, 0.0, len(found))
    nearest = np.full(len(found), -np.inf)
    chosen = [0]
    while len(chosen) < min(needed, len(found)):
        nearest = np.maximum(nearest, vectors @ vectors[chosen[-1]])
        worth = (1 - diversity) * relevance - diversity * nearest
        worth[chosen] = -np.inf
        chosen.append(int(worth.argmax()))
    return [found[i] for i in chosen]


def arranged_search(
    collection: Collection, probes: Sequence[Probe], wanted: Wanted, background: Background
) -> list[Found]:
    """More candidates than results, until there are enough groups; fused, grouped, made various, cut."""
    window = max(FEWEST_CANDIDATES, CANDIDATES_PER_RESULT * wanted.needed)
    while True:
        lists = [hits_of(collection, probe, wanted, background, limit=window) for probe in probes]
        found = fused(lists, probes) if wanted.fusion == "rrf" else [Found(hit) for hit in lists[0]]
        found = within_quota(grouped(found, wanted.group_by), wanted.per_modality)
        exhausted = all(len(hits) < window for hits in lists) or window >= MOST_CANDIDATES
        if len(found) >= wanted.needed or exhausted:
            break
        window *= CANDIDATES_PER_RESULT
    if wanted.diversity:
        found = various(found, wanted.diversity, wanted.needed)
    return found[wanted.offset : wanted.needed]


def without_strangers(
    collection: Collection, wanted: Wanted, bound: Mapping[str, str]
) -> tuple[Wanted, list[str]]:
    """`wanted` without items of other towers than the `bound` ones, and a note that says so.

    Raises IdentityMismatch where such items are asked for by name.
    """
    strangers = collection.strangers(bound) if bound else set[str]()
    if not strangers:
        return wanted, []
    named = wanted.conditions.get("modalities")
    for name in sorted(strangers & set(named or ())):
        raise mismatch(collection.name, name)
    if named is not None:
        return wanted, []
    rest = [name for name in collection.info().items if name not in strangers]
    notes = [f"left out: {mismatch(collection.name, name).message}" for name in sorted(strangers)]
    return replace(wanted, conditions={**wanted.conditions, "modalities": rest}), notes


def found_in(
    collection: Collection, probes: Sequence[Probe], wanted: Wanted, embedder: Embedder
) -> tuple[list[Found], list[str]]:
    """What a collection of the `embedder` has to answer, and notes."""
    wanted, notes = without_strangers(collection, wanted, embedder.bound)
    background = background_of(embedder)
    if wanted.plain:
        return plain_search(collection, probes[0], wanted, background), notes
    return arranged_search(collection, probes, wanted, background), notes


async def search(
    engine: Engine, collection: Collection, query: Part, wanted: Wanted
) -> tuple[list[Found], list[str]]:
    """Results and notes. An item that is part of the query is no result.

    Raises LocatedError for a query that cannot be used, index errors, OverloadedError.
    """
    probes = await probes_of(engine, collection, query, wanted.fusion)
    embedder = engine.model_of(collection).embedder
    found, notes = await engine.in_index(found_in, collection, probes, wanted, embedder)
    return found, notes + [note for probe in probes for note in probe.embedded.notes]
