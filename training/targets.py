"""Teacher vectors of the corpus, computed once and kept in chunks so that a stopped run goes on."""

from __future__ import annotations

from pathlib import Path

import torch

from training.teacher import Teacher

CHUNK = 4000  # sentences per file


def chunks(count: int) -> list[slice]:
    return [slice(start, start + CHUNK) for start in range(0, count, CHUNK)]


def teach(texts: list[str], folder: Path, part: int = 0, parts: int = 1) -> None:
    """Write the missing chunks; `part` of `parts` processes takes every `parts`-th one."""
    teacher = Teacher().bfloat16().eval()
    folder.mkdir(parents=True, exist_ok=True)
    for number, chunk in enumerate(chunks(len(texts))):
        path = folder / f"{number:04d}.pt"
        if number % parts == part and not path.exists():
            torch.save(teacher.vectors(texts[chunk]).half(), path)
            print(f"teacher: chunk {number} of {len(chunks(len(texts)))}", flush=True)


def read_targets(texts: list[str], folder: Path) -> torch.Tensor:
    """Unit vectors (n, 384), fp16."""
    paths = [folder / f"{number:04d}.pt" for number in range(len(chunks(len(texts))))]
    return torch.cat([torch.load(path, weights_only=True) for path in paths])
