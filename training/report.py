"""The report of a training: `python -m training.report --data DIR --out DIR [--weights FILE]`.

`OUT/report.md` with curves (`OUT/report/*.svg`) is for people, `OUT/report.json` for programs. Both come from
the records of the run (`OUT/*.jsonl`), its recipe (`OUT/recipe.json`), the data's `index.csv` and, where it
exists, `OUT/figures.json` as `sensorium evaluate --json` writes it.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import json
import os
import platform
import time
from collections import Counter
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from training.licences import TEACHER, licence_of
from training.record import Record, read
from training.report_page import PICTURES, curves, in_markdown

STAGES = ("text", "image", "audio", "imu", "thermal", "depth")
PACKAGES = ("sensorium", "torch", "torchaudio", "numpy", "open_clip_torch", "safetensors")


def write_report(data: Path, out: Path, weights: Path | None = None) -> Path:
    """Write all three; returns the path of `report.md`. Raises ValueError for files that make no sense."""
    records = [read(out / f"{name}.jsonl") for name in STAGES if (out / f"{name}.jsonl").exists()]
    if not records:
        raise ValueError(f"{out} holds no record of a training (NAME.jsonl of {', '.join(STAGES)})")
    facts = {
        "made": time.strftime("%Y-%m-%d %H:%M %Z"),
        "weights": _file(weights),
        "machine": machine(),
        "stages": [_stage(record) for record in records],
        "figures": _figures(out / "figures.json"),
        "recipe": _json(out / "recipe.json") or {},
        "data": materials(data),
        "teacher": TEACHER,
    }
    (out / PICTURES).mkdir(exist_ok=True)
    for record in records:
        for name, svg in curves(record).items():
            (out / PICTURES / name).write_text(svg, encoding="utf-8")
    (out / "report.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    page = out / "report.md"
    page.write_text(in_markdown(facts, records), encoding="utf-8")
    return page


def machine() -> dict[str, Any]:
    """Where this runs: processor, cores, accelerator, versions."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "accelerator": gpu,
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        **{name: _version(name) for name in PACKAGES},
    }


def materials(data: Path) -> list[dict[str, Any]]:
    """Per data set and modality: items of train and val, and the licence. Each caption is an item."""
    counts: Counter[tuple[str, str, str]] = Counter()
    with (data / "index.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            counts[row["source"], row["modality"], row["split"]] += _items(data, row)
    return [
        {
            "source": source,
            "modality": modality,
            "train": counts[source, modality, "train"],
            "val": counts[source, modality, "val"],
            "licence": licence_of(source),
        }
        for source, modality in dict.fromkeys((source, modality) for source, modality, _ in sorted(counts))
    ]


def _items(data: Path, row: Mapping[str, str]) -> int:
    """1; of a whole caption file ("*" in the index) the number of its captions."""
    if row.get("file") != "*":
        return 1
    with gzip.open(data / row["archive"], "rt", newline="", encoding="utf-8") as file:
        return sum(1 for _ in csv.DictReader(file))


def _stage(record: Record) -> dict[str, Any]:
    return {
        "name": record.name,
        "step": record.step,
        "steps": record.steps,
        "seconds": round(record.seconds, 1),
        "pauses": record.pauses,
        "loss": record.losses[-1][1],
        "last_check": record.last,
    }


def _figures(path: Path) -> list[dict[str, Any]]:
    """The rows of an evaluation: at least task, measure, value. Raises ValueError."""
    found = (_json(path) or {}).get("figures", [])
    for row in found:
        if not {"task", "measure", "value"} <= row.keys():
            raise ValueError(f"{path}: a figure needs task, measure and value; found {sorted(row)}")
    return list(found)


def _json(path: Path) -> dict[str, Any] | None:
    """The object in a file, None where there is no file. Raises ValueError naming it."""
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds a {type(found).__name__}; accepted is a JSON object")  # noqa: TRY004 - a file's fault, no program's
    return found


def _file(path: Path | None) -> dict[str, Any] | None:
    if path is None:
        return None
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"name": path.name, "bytes": path.stat().st_size, "sha256": digest}


def _processor() -> str:
    """The processor's own name where the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder of checkpoints and records")
    parser.add_argument("--weights", type=Path, help="the exported file")
    chosen = parser.parse_args()
    print(write_report(chosen.data, chosen.out, chosen.weights))


if __name__ == "__main__":
    main()
