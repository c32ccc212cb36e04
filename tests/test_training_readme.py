"""What training/README.md says is there, is there."""

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "training" / "README.md").read_text(encoding="utf-8")
TABLE = README.partition("## Augmentation")[2].partition("\n## ")[0]


@pytest.mark.parametrize("place", sorted(set(re.findall(r"`(\w+\.\w+)`", TABLE))))
def test_every_augmentation_stands_where_the_table_says(place):
    """Each `module.name` of the table of augmentations can be imported."""
    module, _, name = place.partition(".")
    assert hasattr(importlib.import_module(f"training.{module}"), name)


def test_every_sense_has_its_augmentation():
    """The table names all six."""
    first_cells = " ".join(line.split("|")[1] for line in TABLE.splitlines() if line.startswith("|"))
    assert {"text", "image", "audio", "IMU", "thermal", "depth"} <= set(re.findall(r"\w+", first_cells))


def test_every_file_of_the_reading_list_exists():
    """Each `file.py` that the README names lies in training/."""
    named = set(re.findall(r"`(\w+\.py)`", README))
    assert len(named) > 15
    assert [name for name in sorted(named) if not (ROOT / "training" / name).is_file()] == []
