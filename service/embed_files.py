"""`sensorium embed`: files in, JSON lines out."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from models.embedder import Embedder
from models.errors import SensoriumError, UnsupportedMediaError
from models.modalities import MODALITIES, modality_named, modality_of_file
from service.engine import limits_of
from service.loading import load_model
from service.settings import Settings
from service.unreadable import plain


def embedding(
    embedder: Embedder, settings: Settings, path: Path, modality: str | None, params: Mapping[str, Any]
) -> dict[str, Any]:
    """One output line. Raises SensoriumError or OSError."""
    name = modality or modality_of_file(path.name)
    if name is None:
        raise UnsupportedMediaError(
            f"the ending {path.suffix!r} leaves open what it is; add --modality {'|'.join(embedder.senses)}"
        )
    accepted = {key: value for key, value in params.items() if key in embedder.senses[name].params}
    sample = embedder.decode(name, path.read_bytes(), limits=limits_of(settings), **accepted)
    return {"file": str(path), "modality": name, "embedding": embedder.embed(name, [sample])[0]}


def print_embedding(
    embedder: Embedder, settings: Settings, path: Path, modality: str | None, params: Mapping[str, Any]
) -> bool:
    """Whether the file could not be used."""
    try:
        line = embedding(embedder, settings, path, modality, params)
    except (SensoriumError, OSError) as error:
        named = plain(error, path) if isinstance(error, OSError) else f"{path}: {error}"
        print(named, file=sys.stderr)  # noqa: T201 - the command's output
        return True
    sys.stdout.write(orjson.dumps(line, option=orjson.OPT_SERIALIZE_NUMPY).decode() + "\n")
    sys.stdout.flush()
    return False


def run(settings: Settings, files: Sequence[Path], modality: str | None, params: Mapping[str, Any]) -> int:
    """Print a line per file to stdout, faults to stderr. Gives the exit code."""
    try:
        if modality is not None and not settings.bound:
            modality_named(modality, MODALITIES)  # before minutes are spent on loading
        embedder = load_model(settings)
        if modality is not None:
            modality_named(modality, embedder.senses)
    except (SensoriumError, OSError) as error:
        print(f"{settings.model}: {plain(error)}", file=sys.stderr)  # noqa: T201 - the command's output
        return 1
    faults = [print_embedding(embedder, settings, path, modality, params) for path in files]
    return 1 if any(faults) else 0
