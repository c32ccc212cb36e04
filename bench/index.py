"""Large collections: our `Collection.search` beside bare FAISS with the same structure, and other engines.

    python -m bench.index [--vectors 100000] [--dim 1024] [--queries 200] [--peers]

The data are unit vectors in a cone, the queries come from another cone (a modality gap). One query at a time,
one thread. Recall is the share of the ten nearest, found by brute force, that a search gives.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import faiss
import numpy as np

from bench.index_peers import Peer, installed
from bench.pairs import compare, seconds
from index import Collection, Item, Row, Store
from index.effort import SPARE, choose

COUNT = 10
RECALL = 0.95
LATENT = 128
BATCH = 1_000
MODEL = {"model": "bench", "identity": "bench"}
SELECTIVITIES = (0.5, 0.05, 0.001)

Search = Callable[[np.ndarray], list[int]]


def across_a_gap(vectors: int, dim: int, queries: int) -> tuple[np.ndarray, np.ndarray]:
    """Data, shape (n, dim), and queries, shape (q, dim), of the same meanings in two cones."""
    random = np.random.default_rng(0)
    strengths = np.arange(1, LATENT + 1) ** -0.5
    spread = (random.normal(size=(LATENT, dim)) * strengths[:, None]).astype(np.float32)
    size = float(np.sqrt((spread**2).sum() / dim))
    cones = size * random.normal(size=(2, dim)).astype(np.float32)

    def unit(meanings: np.ndarray, cone: np.ndarray, noise: float) -> np.ndarray:
        points = (
            meanings @ spread + cone + noise * size * random.standard_normal((len(meanings), dim), np.float32)
        )
        return points / np.linalg.norm(points, axis=1, keepdims=True)

    meanings = random.standard_normal((vectors, LATENT), np.float32)
    asked = meanings[random.integers(vectors, size=queries)]
    parts = [unit(meanings[start : start + BATCH], cones[0], 0.3) for start in range(0, vectors, BATCH)]
    return np.concatenate(parts), unit(asked, cones[1], 0.5)


def nearest(data: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Numbers of the ten nearest, shape (q, 10)."""
    exact = faiss.IndexFlatIP(data.shape[1])
    exact.add(data)
    return exact.search(queries, COUNT)[1]


def recall(search: Search, queries: np.ndarray, truth: np.ndarray) -> float:
    return float(
        np.mean([np.isin(true, search(query)).mean() for query, true in zip(queries, truth, strict=True)])
    )


def fill(store: Store, data: np.ndarray) -> tuple[Collection, float, float]:
    """Store all vectors; gives the seconds until all are durable, and until the structure stands."""
    things, _ = store.create("bench", **MODEL, dimension=data.shape[1], recall=RECALL)

    def upsert() -> None:
        for start in range(0, len(data), BATCH):
            numbers = range(start, min(start + BATCH, len(data)))
            things.upsert(
                [Item(str(n), "image", (Row(data[n]),), {"n": n, "part": n % 1000}) for n in numbers]
            )

    stored = seconds(upsert)
    return things, stored, stored + seconds(things.wait_for_growth)


def memory() -> int:
    """Resident bytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def start(folder: Path) -> None:
    """Open a filled store and print what that takes, as JSON; run in a fresh process."""
    before = memory()
    opened: list[Store] = []
    took = seconds(lambda: opened.append(Store.open(folder)))
    query = np.ones(opened[0].get("bench").dimension)
    first = seconds(lambda: opened[0].get("bench").search(query))
    print(json.dumps({"start_s": took, "first_s": first, "bytes": memory() - before}))
    opened[0].close()


def ours(things: Collection, query: np.ndarray, **words: object) -> list[int]:
    return [int(hit.id) for hit in things.search(query, limit=COUNT, calibrate=False, **words)]


def bare(path: Path, things: Collection) -> Search:
    """The file of our shelf in FAISS alone, with the effort that our search chooses."""
    index = faiss.read_index(str(path))
    shelf = things._state.shelves.get("image")  # noqa: SLF001 - to compare with the very same effort
    if shelf.structure == "flat":
        return lambda query: (index.search(query[None], COUNT)[1][0] - 1).tolist()
    refined = faiss.downcast_index(index.index)
    effort = choose(shelf.steps, RECALL, COUNT + SPARE, shelf.lists)
    inner = faiss.IVFRaBitQSearchParameters(nprobe=effort.probes, qb=8)
    factor = effort.rerank * (COUNT + SPARE) / COUNT
    params = faiss.IndexRefineSearchParameters(k_factor=factor, base_index_params=inner)

    def search(query: np.ndarray, _whole: faiss.Index = index) -> list[int]:
        """The part searched in lives as long as the whole."""
        return refined.search(query[None], COUNT, params=params)[1][0].tolist()

    return search


def report_ours(data: np.ndarray, queries: np.ndarray, truth: np.ndarray, folder: Path) -> None:
    with Store.open(folder) as store:
        things, stored, built = fill(store, data)
        structure = things.info().shelves["image"].structure
        print(f"ours ({structure}): {len(data) / stored:.0f} vectors/s stored, {len(data) / built:.0f} built")
    told = subprocess.run(
        [sys.executable, "-m", "bench.index", "--start", str(folder)],
        check=True,
        capture_output=True,
        text=True,
    )
    facts = json.loads(told.stdout)
    print(f"start {facts['start_s']:.2f} s, {facts['bytes'] / len(data):.0f} bytes of memory a vector")
    with Store.open(folder) as store:
        things = store.get("bench")
        alone = bare(things.folder / "shelves" / "image.faiss", things)
        print(f"recall@10: ours {recall(partial(ours, things), queries, truth):.3f}, bare FAISS ", end="")
        print(f"{recall(alone, queries, truth):.3f}")
        print(
            compare(
                f"search, {len(queries)} queries",
                lambda: [ours(things, query) for query in queries],
                "bare FAISS, same structure",
                lambda: [alone(query) for query in queries],
            ).line()
        )
        report_filters(things, data, queries)


def report_filters(things: Collection, data: np.ndarray, queries: np.ndarray) -> None:
    for share in SELECTIVITIES:
        passing = np.flatnonzero(np.arange(len(data)) % 1000 < share * 1000)
        truth = passing[nearest(data[passing], queries)]
        words = {"filter": {"must": [{"key": "part", "range": {"lt": share * 1000}}]}}
        search = partial(ours, things, **words)
        took = seconds(lambda search=search: [search(query) for query in queries]) / len(queries)
        found = recall(search, queries, truth)
        print(f"filter passing {share:.1%}: {1 / took:.0f} queries/s, recall {found:.3f}")


def report_peer(peer: Peer, data: np.ndarray, queries: np.ndarray, truth: np.ndarray) -> None:
    with tempfile.TemporaryDirectory() as folder:
        built = seconds(lambda: peer.build(data, Path(folder)))
        for effort in peer.efforts:
            search = partial(peer.search, count=COUNT, effort=effort)
            if (found := recall(search, queries, truth)) >= RECALL:
                break
        took = seconds(lambda: [search(query) for query in queries]) / len(queries)
    rate = f"{len(data) / built:.0f} vectors/s built"
    print(f"{peer.name}: {rate}, {1 / took:.0f} queries/s, recall {found:.3f} at effort {effort}")


def report_peers(peers: Iterable[Peer | str], *data: np.ndarray) -> None:
    for peer in peers:
        if isinstance(peer, str):
            print(f"{peer}: absent")
        else:
            report_peer(peer, *data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--vectors", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=1024)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--peers", action="store_true", help="compare with the other engines too")
    parser.add_argument("--start", type=Path, help="open a filled folder and print what it takes, as JSON")
    arguments = parser.parse_args()
    faiss.omp_set_num_threads(1)
    if arguments.start:
        start(arguments.start)
        return
    data, queries = across_a_gap(arguments.vectors, arguments.dim, arguments.queries)
    truth = nearest(data, queries)
    print(f"{len(data)} x {data.shape[1]}, {len(queries)} queries across a gap, one at a time")
    with tempfile.TemporaryDirectory() as folder:
        report_ours(data, queries, truth, Path(folder))
    report_peers(installed() if arguments.peers else [], data, queries, truth)


if __name__ == "__main__":
    main()
