"""Search of large collections: ours, in process and over HTTP, beside FAISS and other engines.

    python -m bench.search [--vectors 100000] [--dim 1024] [--queries 1000] [--peers] [--peers-from DIR]

The data are unit vectors in a cone, the queries come from another cone (a modality gap). Every engine has a
process of its own and takes the least effort that finds 95 % of the ten nearest. Memory is what no file
holds.
"""

from __future__ import annotations

import argparse
import importlib
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import faiss
import numpy as np

from bench import callers, cones, index
from bench.index_peers import PEERS, ChromaServer, lacks
from bench.pairs import seconds

VECTORS, DIM, QUERIES = 100_000, 1024, 1_000
OURS = "ours"


def loaded(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Data, shape (n, dim), left in their file, queries, (q, dim), and their nearest, (q, 10)."""
    data = np.load(folder / cones.DATA, mmap_mode="r")
    return data, np.load(folder / cones.QUERIES), np.load(folder / cones.NEAREST)


def peer(name: str, folder: Path, data: np.ndarray, queries: np.ndarray, truth: np.ndarray) -> list[str]:
    """Build a peer's index and search it."""
    if (package := lacks(name)) is not None:
        return [f"not installed: pip install {package}"]
    engine = PEERS[name][1]()
    before = callers.memory()
    built = seconds(lambda: engine.build(data, folder))
    held = (callers.memory() - before) / len(data)
    faiss.omp_set_num_threads(1)
    for effort in engine.efforts:
        search = partial(engine.search, count=cones.COUNT, effort=effort)
        if (found := callers.recall(search, queries[:200], truth[:200])) >= index.RECALL:
            break
    rate, stored = len(data) / built, callers.disk(folder) / len(data)
    return [
        f"{rate:.0f} vectors/s built, {held:.0f} bytes of memory and {stored:.0f} of disk a vector",
        f"recall {found:.3f} at effort {effort}, {callers.speed(search, queries).line()}",
    ]


def chroma_over_http(folder: Path, queries: np.ndarray, truth: np.ndarray) -> list[str]:
    server = ChromaServer(folder)
    try:
        search = partial(server.search, count=cones.COUNT)
        found = callers.recall(search, queries[:100], truth[:100])
        return [f"over HTTP: recall {found:.3f}, {callers.speed(search, queries).line()}"]
    finally:
        server.stop()


def ours_over_http(folder: Path, queries: np.ndarray, truth: np.ndarray) -> list[str]:
    server = importlib.import_module("bench.search_server").Server(folder, queries.shape[1])
    try:
        found = callers.recall(server.caller(), queries[:100], truth[:100])
        return [f"over HTTP: recall {found:.3f}, {callers.speed(server.caller, queries, each=True).line()}"]
    finally:
        server.stop()


STAGES = {
    "ours build": lambda work, folder: index.build(folder, loaded(work)[0]),
    "ours": lambda work, folder: index.measure(folder, *loaded(work)),
    "ours http": lambda work, folder: ours_over_http(folder, *loaded(work)[1:]),
    "Chroma http": lambda work, folder: chroma_over_http(folder, *loaded(work)[1:]),
}
"""What runs in a process of its own: the folder of the data, the engine's folder -> lines."""


def stage(name: str, work: Path) -> list[str]:
    engine = name.removesuffix(" build").removesuffix(" http")
    folder = work / engine.replace(" ", "-")
    folder.mkdir(exist_ok=True)
    if name in STAGES:
        return STAGES[name](work, folder)
    return peer(name, folder, *loaded(work))


def in_own_process(name: str, work: Path, peers_from: Path | None) -> bool:
    """Print what a stage tells; says whether it went well."""
    words = [] if peers_from is None else ["--peers-from", str(peers_from)]
    command = [sys.executable, "-m", "bench.search", "--stage", name, "--folder", str(work), *words]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
    for line in done.stdout.splitlines():
        print(f"{name.removesuffix(' build').removesuffix(' http')}: {line}", flush=True)
    if done.returncode:
        print(f"{name}: failed, see above", flush=True)
    return not done.returncode


def compare_all(work: Path, *, peers: bool, peers_from: Path | None) -> None:
    for name in ("ours build", "ours", "ours http"):
        in_own_process(name, work, peers_from)
    for name in PEERS if peers else ():
        well = in_own_process(name, work, peers_from)
        if name == "Chroma" and well and any((work / "Chroma").iterdir()):
            in_own_process("Chroma http", work, peers_from)


def parsed(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--vectors", type=int, default=VECTORS)
    parser.add_argument("--dim", type=int, default=DIM)
    parser.add_argument("--queries", type=int, default=QUERIES)
    parser.add_argument("--peers", action="store_true", help="the other engines too, as far as installed")
    parser.add_argument("--peers-from", type=Path, help="folder of `pip install --target` with other engines")
    parser.add_argument("--folder", type=Path, help="where data and indices lie, kept where it is given")
    parser.add_argument("--stage", help=argparse.SUPPRESS)
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> None:
    arguments = parsed(words)
    if arguments.peers_from:
        sys.path.append(str(arguments.peers_from))
        os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)
    if arguments.serve:
        # Torch, which the service needs, is no part of what the other stages measure.
        importlib.import_module("bench.search_server").serve(arguments.folder, arguments.dim, arguments.serve)
    elif arguments.stage:
        print("\n".join(stage(arguments.stage, arguments.folder)))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            work = arguments.folder or Path(temporary)
            work.mkdir(parents=True, exist_ok=True)
            print(f"{arguments.vectors} x {arguments.dim}, queries across a gap", flush=True)
            if not (work / cones.NEAREST).exists():
                cones.write(work, arguments.vectors, arguments.dim, arguments.queries)
            compare_all(work, peers=arguments.peers, peers_from=arguments.peers_from)


if __name__ == "__main__":
    main()
