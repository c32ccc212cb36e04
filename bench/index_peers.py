"""Other ways to find neighbours, behind the same few calls; those that are not installed are absent."""

from __future__ import annotations

import importlib
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from socket import socket
from typing import Any, Protocol

import faiss
import numpy as np

NEIGHBOURS = 32
"""Links of a graph's node; the number that FAISS's and hnswlib's documentation use for hard data."""
BREADTH = 200
AT_A_TIME = 5_000
PATIENCE_S = 60
GRAPH_EFFORTS = (16, 32, 64, 128, 256, 512, 1024)


class Peer(Protocol):
    """`efforts` ascend; `search` gives the numbers of the nearest `count` vectors.

    `build` stores vectors, shape (n, dim), in `folder`; a peer without a server has `serve` raise.
    """

    efforts: tuple[int, ...]

    def build(self, vectors: np.ndarray, folder: Path) -> None: ...
    def search(self, query: np.ndarray, count: int, effort: int) -> list[int]: ...


class FaissGraph:
    efforts = GRAPH_EFFORTS

    def build(self, vectors: np.ndarray, folder: Path) -> None:
        kind = faiss.ScalarQuantizer.QT_8bit
        self._index = faiss.IndexHNSWSQ(vectors.shape[1], kind, NEIGHBOURS, faiss.METRIC_INNER_PRODUCT)
        self._index.hnsw.efConstruction = BREADTH
        self._index.train(np.ascontiguousarray(vectors))
        for start in range(0, len(vectors), AT_A_TIME):
            self._index.add(np.ascontiguousarray(vectors[start : start + AT_A_TIME]))
        faiss.write_index(self._index, str(folder / "index.faiss"))

    def search(self, query: np.ndarray, count: int, effort: int) -> list[int]:
        _, found = self._index.search(query[None], count, params=faiss.SearchParametersHNSW(efSearch=effort))
        return found[0].tolist()


class FaissFlat:
    efforts = (1,)

    def build(self, vectors: np.ndarray, folder: Path) -> None:
        self._index = faiss.IndexFlatIP(vectors.shape[1])
        for start in range(0, len(vectors), AT_A_TIME):
            self._index.add(np.ascontiguousarray(vectors[start : start + AT_A_TIME]))
        faiss.write_index(self._index, str(folder / "index.faiss"))

    def search(self, query: np.ndarray, count: int, effort: int) -> list[int]:
        del effort
        return self._index.search(query[None], count)[1][0].tolist()


class Hnswlib:
    efforts = GRAPH_EFFORTS

    def __init__(self) -> None:
        self._library = importlib.import_module("hnswlib")

    def build(self, vectors: np.ndarray, folder: Path) -> None:
        self._index = self._library.Index(space="ip", dim=vectors.shape[1])
        self._index.init_index(max_elements=len(vectors), M=NEIGHBOURS, ef_construction=BREADTH)
        for start in range(0, len(vectors), AT_A_TIME):
            self._index.add_items(vectors[start : start + AT_A_TIME])
        self._index.save_index(str(folder / "index"))
        self._index.set_num_threads(1)

    def search(self, query: np.ndarray, count: int, effort: int) -> list[int]:
        self._index.set_ef(effort)
        return self._index.knn_query(query, k=count, num_threads=1)[0][0].tolist()


class Usearch:
    efforts = GRAPH_EFFORTS

    def __init__(self) -> None:
        self._library = importlib.import_module("usearch.index")

    def build(self, vectors: np.ndarray, folder: Path) -> None:
        words = {"metric": "ip", "dtype": "f16", "connectivity": NEIGHBOURS, "expansion_add": BREADTH}
        self._index = self._library.Index(ndim=vectors.shape[1], **words)
        for start in range(0, len(vectors), AT_A_TIME):
            some = np.ascontiguousarray(vectors[start : start + AT_A_TIME])
            self._index.add(np.arange(start, start + len(some)), some)
        self._index.save(str(folder / "index"))

    def search(self, query: np.ndarray, count: int, effort: int) -> list[int]:
        self._index.expansion_search = effort
        return self._index.search(query, count, threads=1).keys.tolist()


class Chroma:
    efforts = (100,)
    """What it is made with; it cannot be changed from one search to the next."""

    def __init__(self) -> None:
        self._library = importlib.import_module("chromadb")

    def build(self, vectors: np.ndarray, folder: Path) -> None:
        client = self._library.PersistentClient(path=str(folder))
        self._collection = client.create_collection("bench", metadata={"hnsw:space": "ip"})
        for start in range(0, len(vectors), AT_A_TIME):
            some = vectors[start : start + AT_A_TIME]
            ids = [str(number) for number in range(start, start + len(some))]
            metadatas = [{"n": number, "part": number % 1000} for number in range(start, start + len(some))]
            self._collection.add(ids=ids, embeddings=some, metadatas=metadatas)

    def search(self, query: np.ndarray, count: int, effort: int) -> list[int]:
        del effort
        found = self._collection.query(
            query_embeddings=query[None], n_results=count, include=["distances", "metadatas"]
        )
        return [int(one) for one in found["ids"][0]]


class LanceDB:
    efforts = (1, 2, 4, 8, 16, 32, 64, 128)

    def __init__(self) -> None:
        self._library = importlib.import_module("lancedb")
        self._arrow = importlib.import_module("pyarrow")

    def build(self, vectors: np.ndarray, folder: Path) -> None:
        width = vectors.shape[1]
        database = self._library.connect(str(folder))
        table = None
        for start in range(0, len(vectors), AT_A_TIME):
            some = np.ascontiguousarray(vectors[start : start + AT_A_TIME])
            flat = self._arrow.array(some.reshape(-1))
            columns = {
                "number": np.arange(start, start + len(some)),
                "vector": self._arrow.FixedSizeListArray.from_arrays(flat, width),
            }
            batch = self._arrow.table(columns)
            table = database.create_table("bench", data=batch) if table is None else table
            if start:
                table.add(batch)
        self._table = table
        table.create_index(metric="dot", index_type="IVF_HNSW_SQ", vector_column_name="vector")

    def search(self, query: np.ndarray, count: int, effort: int) -> list[int]:
        asked = self._table.search(query).distance_type("dot").nprobes(effort).refine_factor(4)
        return [row["number"] for row in asked.select(["number", "_distance"]).limit(count).to_list()]


PEERS: dict[str, tuple[str | None, type[Peer]]] = {
    "FAISS flat": (None, FaissFlat),
    "FAISS HNSW32 SQ8": (None, FaissGraph),
    "hnswlib": ("hnswlib", Hnswlib),
    "usearch f16": ("usearch", Usearch),
    "LanceDB IVF_HNSW_SQ": ("lancedb", LanceDB),
    "Chroma": ("chromadb", Chroma),
}


def lacks(name: str) -> str | None:
    """Give the package that is not installed and has to be, if any."""
    package, _ = PEERS[name]
    with suppress(ImportError):
        importlib.import_module(package or "faiss")
        return None
    return package


class ChromaServer:
    """Chroma's own server over a folder that `Chroma` has filled, asked through its own client."""

    def __init__(self, folder: Path) -> None:
        with closing(socket()) as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        program = "import sys; from chromadb.cli.cli import app; app()"
        words = ["run", "--path", str(folder), "--host", "127.0.0.1", "--port", str(port)]
        self._process = subprocess.Popen(
            [sys.executable, "-c", program, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._collection = self._asked(port)

    def search(self, query: np.ndarray, count: int) -> list[int]:
        found = self._collection.query(
            query_embeddings=query[None], n_results=count, include=["distances", "metadatas"]
        )
        return [int(one) for one in found["ids"][0]]

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()

    @staticmethod
    def _asked(port: int) -> Any:
        library = importlib.import_module("chromadb")
        give_up = time.monotonic() + PATIENCE_S
        while True:
            try:
                return library.HttpClient(host="127.0.0.1", port=port).get_collection("bench")
            except Exception:  # its client raises whatever it meets while the server starts
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.2)
