"""Our collection in process: building, starting, and searching beside bare FAISS and brute force."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import faiss
import numpy as np

from bench import callers, cones
from bench.callers import Search
from bench.pairs import compare, seconds
from index import Collection, Item, Row, Store
from index.compressed import QUERY_BITS, CompressedShelf
from index.effort import SPARE, choose

RECALL = 0.95
BATCH = 1_000
NAME = "bench"
MODEL = {"model": "bench", "identity": "bench"}
SELECTIVITIES = (0.5, 0.05, 0.001)
COMPARED = 100
"""Queries of a comparison turn by turn."""


def build(folder: Path, data: np.ndarray) -> list[str]:
    """Store all vectors, say how many a second until all are durable, and until the structure stands."""
    with Store.open(folder) as store:
        things, _ = store.create(NAME, **MODEL, dimension=data.shape[1], recall=RECALL)

        def upsert() -> None:
            for start in range(0, len(data), BATCH):
                numbers = range(start, min(start + BATCH, len(data)))
                things.upsert(
                    [Item(str(n), "image", (Row(data[n]),), {"n": n, "part": n % 1000}) for n in numbers]
                )

        stored = seconds(upsert)
        built = stored + seconds(things.wait_for_growth)
        structure = things.info().shelves["image"].structure
    rates = f"{len(data) / stored:.0f} vectors/s durable, {len(data) / built:.0f} with the structure built"
    return [f"{rates} ({structure}), {callers.disk(folder) / len(data):.0f} bytes of disk a vector"]


def search_in(things: Collection, query: np.ndarray, **words: object) -> list[int]:
    return [int(hit.id) for hit in things.search(query, limit=cones.COUNT, calibrate=False, **words)]


def bare(path: Path, things: Collection) -> Search:
    """The file of our shelf in FAISS alone, with the effort that our search chooses."""
    index = faiss.read_index(str(path))
    shelf = things._state.shelves.get("image")  # noqa: SLF001 - to compare with the very same effort
    if not isinstance(shelf, CompressedShelf):
        return lambda query: (index.search(query[None], cones.COUNT)[1][0] - 1).tolist()
    refined = faiss.downcast_index(index.index)
    effort = choose(shelf.steps, RECALL, cones.COUNT + SPARE, shelf.lists)
    inner = faiss.IVFRaBitQSearchParameters(nprobe=effort.probes, qb=QUERY_BITS)
    factor = effort.rerank * (cones.COUNT + SPARE) / cones.COUNT
    params = faiss.IndexRefineSearchParameters(k_factor=factor, base_index_params=inner)

    def search(query: np.ndarray, _whole: faiss.Index = index) -> list[int]:
        """The part searched in lives as long as the whole."""
        return refined.search(query[None], cones.COUNT, params=params)[1][0].tolist()

    return search


def measure(folder: Path, data: np.ndarray, queries: np.ndarray, truth: np.ndarray) -> list[str]:
    """Open what `build` has made, in a fresh process, and search it."""
    before = callers.memory()
    opened: list[Store] = []
    took = seconds(lambda: opened.append(Store.open(folder)))
    with opened[0] as store:
        things = store.get(NAME)
        first = seconds(lambda: things.search(queries[0]))
        ours = partial(search_in, things)
        found, speed = callers.recall(ours, queries, truth), callers.speed(ours, queries)
        held = (callers.memory() - before) / len(data)
        lines = [
            f"started in {took:.2f} s, first answer after {first:.3f} s, {held:.0f} bytes of memory a vector",
            f"recall {found:.3f}, {speed.line()}",
        ]
        alone = bare(things.folder / "shelves" / "image.faiss", things)
        some = queries[:COMPARED]
        told = f"recall {callers.recall(alone, queries, truth):.3f}, {callers.speed(alone, queries).line()}"
        lines.append(f"bare FAISS, same structure: {told}")
        lines.append(_turns("search", ours, "bare FAISS", alone, some))
        return lines + _filters(things, data, queries)


def _turns(what: str, ours: Search, peer: str, theirs: Search, queries: np.ndarray) -> str:
    return compare(
        f"{what}, {len(queries)} queries",
        lambda: [ours(query) for query in queries],
        peer,
        lambda: [theirs(query) for query in queries],
    ).line()


def brute_force(data: np.ndarray, parts: np.ndarray, below: float, query: np.ndarray) -> list[int]:
    """Compare the rows that pass, all in memory, by one column of numbers."""
    passing = np.flatnonzero(parts < below)
    scores = data[passing] @ query
    best = np.argpartition(-scores, min(cones.COUNT, len(scores)) - 1)[: cones.COUNT]
    return passing[best].tolist()


def _filters(things: Collection, data: np.ndarray, queries: np.ndarray) -> list[str]:
    lines = []
    parts = np.arange(len(data)) % 1000
    held, some = np.array(data), queries[:COMPARED]
    for share in SELECTIVITIES:
        below = share * 1000
        truth = cones.nearest(data, some, np.flatnonzero(parts < below))
        words = {"filter": {"must": [{"key": "part", "range": {"lt": below}}]}}
        search = partial(search_in, things, **words)
        first = seconds(lambda search=search: search(some[0]))
        found = callers.recall(search, some, truth)
        peer = partial(brute_force, held, parts, below)
        turns = _turns(f"filter passing {share:.1%}", search, "brute force", peer, some[:20])
        lines.append(f"{turns}  recall {found:.3f}, first in {first:.2f} s")
    return lines
