"""Anchors as unit vectors of the frozen model, each embedded once and kept on disk."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from models.embedder import Embedder
from models.errors import SensoriumError
from models.samples import TextSample
from training.binding.manifest import Fault, Row

CHUNK = 16  # anchors that are embedded together
SAVE_EVERY_S = 30.0

Say = Callable[[str], None]


@dataclass(frozen=True, order=True)
class Anchor:
    """`modality` and what it is: a text itself, or the sha256 of a file."""

    modality: str
    content: str

    @property
    def key(self) -> str:
        return f"{self.modality}:{self.content}"


@dataclass
class Anchored:
    """Anchors of every row by line, and the unit vector (dim,) of each anchor."""

    of_line: dict[int, list[Anchor]]
    vectors: dict[Anchor, torch.Tensor]
    faults: list[Fault] = field(default_factory=list)


def load_cache(path: Path, identity: str) -> dict[str, torch.Tensor]:
    """Vectors by anchor key that this very model made before."""
    try:
        with safe_open(path, "pt") as file:
            facts = file.metadata() or {}
            if facts.get("identity") != identity:
                return {}
            return dict(zip(json.loads(facts["keys"]), file.get_tensor("vectors"), strict=True))
    except (OSError, SafetensorError, KeyError, ValueError):
        return {}


def save_cache(path: Path, identity: str, known: Mapping[str, torch.Tensor]) -> None:
    """Write in one step, so that a kill leaves the older cache."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    facts = {"identity": identity, "keys": json.dumps(list(known))}
    save_file({"vectors": torch.stack(list(known.values()))}, new, facts)
    new.replace(path)


def _collect(rows: Sequence[Row]) -> tuple[dict[int, list[Anchor]], dict[Anchor, str | Path]]:
    """Anchors by line, and where the content of each comes from."""
    of_line: dict[int, list[Anchor]] = {}
    sources: dict[Anchor, str | Path] = {}
    for row in rows:
        for modality, value in row.anchors.items():
            content = value if isinstance(value, str) else hashlib.sha256(value.read_bytes()).hexdigest()
            anchor = Anchor(modality, content)
            sources[anchor] = value
            of_line.setdefault(row.line, []).append(anchor)
    return of_line, sources


def _embed(embedder: Embedder, modality: str, sources: Sequence[str | Path]) -> torch.Tensor:
    samples = [
        TextSample(source) if isinstance(source, str) else embedder.decode(modality, source.read_bytes())
        for source in sources
    ]
    return torch.from_numpy(embedder.embed(modality, samples))


def _embed_each(
    embedder: Embedder, chunk: Sequence[Anchor], sources: Mapping[Anchor, str | Path]
) -> tuple[dict[str, torch.Tensor], dict[Anchor, str]]:
    """Vectors by key, and the reason of each anchor that cannot be used."""
    made: dict[str, torch.Tensor] = {}
    reasons: dict[Anchor, str] = {}
    modality = chunk[0].modality
    try:
        vectors = _embed(embedder, modality, [sources[anchor] for anchor in chunk])
        return dict(zip((anchor.key for anchor in chunk), vectors, strict=True)), {}
    except (SensoriumError, OSError):
        for anchor in chunk:
            try:
                made[anchor.key] = _embed(embedder, modality, [sources[anchor]])[0]
            except (SensoriumError, OSError) as error:
                reasons[anchor] = f"the {modality} {sources[anchor]}: {error}"
    return made, reasons


def embed_anchors(embedder: Embedder, rows: Sequence[Row], cache: Path, say: Say) -> Anchored:
    """Every anchor through the frozen model, those of `cache` excepted; rows of unusable ones are faults."""
    of_line, sources = _collect(rows)
    known = load_cache(cache, embedder.identity)
    missing = [anchor for anchor in sorted(sources) if anchor.key not in known]
    say(f"{len(sources)} anchors, {len(sources) - len(missing)} of them known from before")
    reasons: dict[Anchor, str] = {}
    saved, done = time.monotonic(), 0
    for modality in dict.fromkeys(anchor.modality for anchor in missing):
        of_modality = [anchor for anchor in missing if anchor.modality == modality]
        for start in range(0, len(of_modality), CHUNK):
            chunk = of_modality[start : start + CHUNK]
            made, refused = _embed_each(embedder, chunk, sources)
            known.update(made)
            reasons.update(refused)
            done += len(chunk)
            if time.monotonic() - saved > SAVE_EVERY_S and known:
                save_cache(cache, embedder.identity, known)
                say(f"{done} of {len(missing)} anchors embedded")
                saved = time.monotonic()
    if missing and known:
        save_cache(cache, embedder.identity, known)
    lines = {line: next((a for a in anchors if a in reasons), None) for line, anchors in of_line.items()}
    faults = [Fault(line, reasons[bad]) for line, bad in lines.items() if bad is not None]
    vectors = {anchor: known[anchor.key] for anchor in sources if anchor not in reasons}
    return Anchored(of_line, vectors, faults)
