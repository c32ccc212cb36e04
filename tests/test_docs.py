"""A setting, command, endpoint, model or error code that is not documented fails a test."""

from pathlib import Path

import pytest
from typer.main import get_command

from models import REGISTRY
from service.app import create_app
from service.cli import cli
from service.settings import Settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCS = README + "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").rglob("*.md")))


@pytest.mark.parametrize("field", sorted(Settings.model_fields))
def test_every_setting_stands_in_the_readme(field):
    """Each field of Settings has its row in README's table."""
    assert f"`SENSORIUM_{field.upper()}`" in README


@pytest.mark.parametrize("command", sorted(get_command(cli).commands))
def test_every_command_is_documented(command):
    """Each command of the console program is shown."""
    assert f"sensorium {command}" in DOCS


def test_every_endpoint_is_documented():
    """Each path of the OpenAPI description stands in README or docs."""
    paths = create_app(Settings()).openapi()["paths"]
    assert len(paths) > 10
    assert [path for path in paths if path not in DOCS] == []


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_every_model_is_documented(name):
    """Each registered model stands in README's table, with its licence."""
    assert f"`{name}`" in README
    assert REGISTRY[name].licence in README
