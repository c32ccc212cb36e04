"""The shape of the house: who may import whom, no circles, pages that stay pages."""

import ast
import graphlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOORS = ("service", "models", "index", "training", "evaluation")
FORBIDDEN = {
    "service": {"torch", "torchaudio", "torchvision", "faiss", "open_clip"},
    "models": {"service", "index", "faiss", "fastapi"},
    "index": {"service", "models", "torch", "torchaudio", "torchvision", "fastapi"},
    "training": {"service", "index", "evaluation", "faiss", "fastapi"},
    "evaluation": {"service", "faiss", "fastapi"},
}


def sources(package):
    return sorted((ROOT / package).rglob("*.py"))


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path):
    """Dotted names that a file imports while it runs, type-checking blocks left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} uses a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def known_module(name, modules):
    """The longest known module that an imported name lies in, packages' own `__init__` included."""
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return name


@pytest.mark.parametrize("floor", FLOORS)
def test_a_floor_imports_only_what_lies_below_it(floor):
    """Service never sees torch or FAISS, models never see HTTP or the index, the index never sees torch."""
    offences = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(floor)
        for name in imports(path)
        if name.split(".")[0] in FORBIDDEN[floor]
    ]
    assert not offences


def test_no_module_takes_part_in_an_import_circle():
    """The graph of imports of our packages can be sorted."""
    paths = {module_name(path): path for floor in FLOORS for path in sources(floor)}
    graph = {
        name: {known_module(target, paths) for target in imports(path)} - {"", name}
        for name, path in paths.items()
    }
    assert len(graph) > 10
    assert list(graphlib.TopologicalSorter(graph).static_order())


def test_files_are_pages():
    """No file of our packages outgrows 350 lines, and the median stays near 150 or below."""
    files = [path.read_text(encoding="utf-8") for floor in FLOORS for path in sources(floor)]
    lengths = sorted(len(text.splitlines()) for text in files)
    assert lengths[-1] <= 350
    assert lengths[len(lengths) // 2] <= 160


def test_no_room_is_called_attic():
    """`utils`, `common` and `helpers` are names of attics, `Base...` of ladders."""
    stems = {path.stem for floor in FLOORS for path in sources(floor)}
    assert not stems & {"utils", "util", "common", "helpers", "helper", "misc", "base"}
    classes = [
        node.name
        for floor in FLOORS
        for path in sources(floor)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and node.name.startswith("Base")
    ]
    assert not classes
