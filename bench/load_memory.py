"""Peak memory of loading some of ImageBind's encoders from a checkpoint of the published size.

    python -m bench.load_memory [--modalities text,audio] [--folder DIR]

Writes a checkpoint of zeros (4.8 GB) to a temporary folder, then loads from it in a fresh process and
prints that process's peak resident memory, imports included.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

import models
from models.imagebind.keys import published_shapes
from models.imagebind.sizes import SIZES

KIBI = 1024


def write(path: Path) -> None:
    """A state dict of zeros with the published names and shapes."""
    torch.save({key: torch.zeros(shape) for key, shape in published_shapes(SIZES["huge"]).items()}, path)


def _peak() -> int:
    """From the kernel's own account: ru_maxrss would remember the parent process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return KIBI * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def measure(path: Path, modalities: list[str]) -> dict[str, int]:
    """Peak bytes of this process after its imports, after loading, and after one text."""
    peaks = {"imports": _peak()}
    embedder = models.load("imagebind-huge", weights=path, modalities=modalities)
    peaks["load"] = _peak()
    if "text" in embedder.modalities:
        embedder.embed("text", [models.TextSample("a dog barking")])
        peaks["one text"] = _peak()
    return peaks


def _in_fresh_process(path: Path, modalities: str) -> dict[str, int]:
    command = [sys.executable, "-m", "bench.load_memory", "--measure", str(path), "--modalities", modalities]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    peaks: dict[str, int] = json.loads(answer.stdout)
    return peaks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--modalities", default="text,audio")
    parser.add_argument("--folder", type=Path, help="where the checkpoint of 4.8 GB is written for the while")
    parser.add_argument(
        "--measure", type=Path, help="measure this process on an existing checkpoint, as JSON"
    )
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure, arguments.modalities.split(","))))
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        path = Path(folder) / "imagebind_huge.pth"
        write(path)
        for stage, peak in _in_fresh_process(path, arguments.modalities).items():
            print(f"{stage:>10}  {peak / 2**30:.2f} GiB")


if __name__ == "__main__":
    main()
