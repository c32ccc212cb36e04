"""Where a training reads and writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Folders:
    """`data`: index.csv and the packs; `out`: checkpoints; `cache`: decoded media and rendered scenes."""

    data: Path
    out: Path
    cache: Path
