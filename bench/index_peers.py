"""Other ways to find neighbours, behind the same two calls; those that are not installed are absent."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import faiss
import numpy as np

THREADS = 1
NEIGHBOURS = 32
"""Links of a graph's node; the number that FAISS's and hnswlib's documentation use for hard data."""
BREADTH = 200
AT_A_TIME = 5_000


class Peer(Protocol):
    """`efforts` ascend; `search` gives the numbers of the nearest `count` vectors."""

    name: str
    efforts: tuple[int, ...]

    def build(self, vectors: np.ndarray, folder: Path) -> None: ...
    def search(self, query: np.ndarray, count: int, effort: int) -> list[int]: ...


class FaissGraph:
    name = "FAISS HNSW32 SQ8"
    efforts = (16, 32, 64, 128, 256, 512)

    def build(self, vectors: np.ndarray, folder: Path) -> None:
        del folder
        kind = faiss.ScalarQuantizer.QT_8bit
        self._index = faiss.IndexHNSWSQ(vectors.shape[1], kind, NEIGHBOURS, faiss.METRIC_INNER_PRODUCT)
        self._index.hnsw.efConstruction = BREADTH
        self._index.train(vectors)
        self._index.add(vectors)

    def search(self, query: np.ndarray, count: int, effort: int) -> list[int]:
        _, found = self._index.search(query[None], count, params=faiss.SearchParametersHNSW(efSearch=effort))
        return found[0].tolist()


class Hnswlib:
    name = "hnswlib"
    efforts = (16, 32, 64, 128, 256, 512)

    def __init__(self, library: Any) -> None:
        self._library = library

    def build(self, vectors: np.ndarray, folder: Path) -> None:
        del folder
        self._index = self._library.Index(space="ip", dim=vectors.shape[1])
        self._index.init_index(max_elements=len(vectors), M=NEIGHBOURS, ef_construction=BREADTH)
        self._index.add_items(vectors, num_threads=THREADS)

    def search(self, query: np.ndarray, count: int, effort: int) -> list[int]:
        self._index.set_ef(effort)
        return self._index.knn_query(query, k=count, num_threads=THREADS)[0][0].tolist()


class Usearch:
    name = "usearch f16"
    efforts = (16, 32, 64, 128, 256, 512, 1024)

    def __init__(self, library: Any) -> None:
        self._library = library

    def build(self, vectors: np.ndarray, folder: Path) -> None:
        del folder
        self._index = self._library.index.Index(
            ndim=vectors.shape[1],
            metric="ip",
            dtype="f16",
            connectivity=NEIGHBOURS,
            expansion_add=BREADTH,
        )
        self._index.add(np.arange(len(vectors)), vectors, threads=THREADS)

    def search(self, query: np.ndarray, count: int, effort: int) -> list[int]:
        self._index.expansion_search = effort
        return self._index.search(query, count, threads=THREADS).keys.tolist()


class Chroma:
    name = "Chroma"
    efforts = (100,)
    """What it is made with; it cannot be changed from one search to the next."""

    def __init__(self, library: Any) -> None:
        self._library = library

    def build(self, vectors: np.ndarray, folder: Path) -> None:
        client = self._library.PersistentClient(path=str(folder))
        self._collection = client.create_collection("bench", metadata={"hnsw:space": "ip"})
        for start in range(0, len(vectors), AT_A_TIME):
            some = vectors[start : start + AT_A_TIME]
            ids = [str(number) for number in range(start, start + len(some))]
            self._collection.add(ids=ids, embeddings=some)

    def search(self, query: np.ndarray, count: int, effort: int) -> list[int]:
        del effort
        found = self._collection.query(query_embeddings=query[None], n_results=count, include=["distances"])
        return [int(one) for one in found["ids"][0]]


class LanceDB:
    name = "LanceDB IVF_HNSW_SQ"
    efforts = (1, 2, 4, 8, 16, 32)

    def __init__(self, library: Any) -> None:
        self._library = library

    def build(self, vectors: np.ndarray, folder: Path) -> None:
        database = self._library.connect(str(folder))
        rows = [{"number": number, "vector": vector} for number, vector in enumerate(vectors)]
        self._table = database.create_table("bench", data=rows)
        self._table.create_index(metric="dot", index_type="IVF_HNSW_SQ", vector_column_name="vector")

    def search(self, query: np.ndarray, count: int, effort: int) -> list[int]:
        asked = self._table.search(query).metric("dot").nprobes(effort).refine_factor(2)
        return [row["number"] for row in asked.select(["number"]).limit(count).to_list()]


_LIBRARIES = {"hnswlib": Hnswlib, "usearch": Usearch, "chromadb": Chroma, "lancedb": LanceDB}


def installed() -> Iterator[Peer | str]:
    """Give the peers to compare with, and the names of those that are absent."""
    yield FaissGraph()
    for library, kind in _LIBRARIES.items():
        try:
            module = importlib.import_module("usearch.index" if library == "usearch" else library)
        except ImportError:
            yield kind.name
        else:
            yield kind(importlib.import_module(library) if library == "usearch" else module)
