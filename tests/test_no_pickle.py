"""Nothing that we read can run code: no pickle, no joblib, and torch and numpy told not to use it."""

import ast
import inspect
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("service", "models", "index", "training", "evaluation", "bench", "examples", "clients/python/src")
# Libraries whose files are programs; `pickle` itself may write and name its errors.
FORBIDDEN = frozenset(
    {"cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle"}
)
UNPICKLING = frozenset({"pickle.load", "pickle.loads", "pickle.Unpickler", "pickle.*", "pandas.read_pickle"})
# What a process reads from its own parent is no file of anybody else's.
ALLOWED = frozenset({("service/bulk/worker.py", "pickle.loads")})
# function -> the keyword that has to have this value, and whether it has it where it is left out
TOLD = {
    "torch.load": ("weights_only", True, False),
    "torch.serialization.load": ("weights_only", True, False),
    "torch.hub.load_state_dict_from_url": ("weights_only", True, False),
    "numpy.load": ("allow_pickle", False, True),
    "numpy.lib.format.read_array": ("allow_pickle", False, True),
}


def names_of(tree):
    """What each imported name stands for: `np` -> `numpy`, `load` -> `torch.load`."""
    known = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                known[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            known.update({each.asname or each.name: f"{node.module}.{each.name}" for each in node.names})
    return known


def dotted(node, known):
    """The full name of `np.lib.format.read_array` and the like; None for anything else."""
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.Attribute) and (front := dotted(node.value, known)):
        return f"{front}.{node.attr}"
    return None


def is_told(call, keyword, value, by_default):
    """Whether the call says it, or leaves it to a default that does; `**options` say nothing."""
    if any(each.arg is None for each in call.keywords):
        return False
    given = [each.value for each in call.keywords if each.arg == keyword]
    return (
        all(isinstance(each, ast.Constant) and each.value is value for each in given) if given else by_default
    )


def offences(source, allowed=()):
    """What in the source could unpickle: imports, and calls that do not forbid it."""
    tree = ast.parse(source)
    known = names_of(tree)
    for name in known.values():
        if name.partition(".")[0] in FORBIDDEN or name == "pickle.*":
            yield f"imports {name}"
    calls = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        name = dotted(node, known) if isinstance(node, ast.Attribute | ast.Name) else None
        if name in UNPICKLING and name not in allowed:
            yield f"line {node.lineno}: {name}"
        if name in TOLD:
            call = calls.get(id(node))
            if call is None or not is_told(call, *TOLD[name]):
                yield f"line {node.lineno}: {name} without {TOLD[name][0]}={TOLD[name][1]}"


@pytest.mark.parametrize("package", PACKAGES)
def test_nothing_is_unpickled(package):
    """In no file of the package."""
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    found = {}
    for path in files:
        name = path.relative_to(ROOT).as_posix()
        allowed = {call for file, call in ALLOWED if file == name}
        found[name] = list(offences(path.read_text(encoding="utf-8"), allowed))
    assert {path: faults for path, faults in found.items() if faults} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle\npickle.loads(data)",
        "from pickle import *",
        "from pickle import Unpickler as Reader\nReader(file)",
        "from joblib import load",
        "import torch\ntorch.load(path)",
        "import torch\ntorch.load(path, weights_only=False)",
        "import torch\ntorch.load(path, weights_only=flag)",
        "from torch import load as read\nread(path)",
        "import numpy as np\nnp.load(path, **options)",
        "import torch\ntorch.load(path, **options)",
        "import numpy as np\nnp.load(path, allow_pickle=True)",
        "import numpy as np\nread = np.load",
        "from numpy.lib import format as npy\nnpy.read_array(file, allow_pickle=True)",
    ],
)
def test_the_scan_sees_what_would_unpickle(source):
    """Under any name, called or passed on."""
    assert list(offences(source))


def test_the_scan_passes_what_would_not():
    """With the keyword that forbids it, and for functions that only sound alike."""
    source = """
import json
import numpy as np
import torch
torch.load(path, weights_only=True)
np.load(path, allow_pickle=False, mmap_mode="r")
np.load(path)
json.load(file)
"""
    assert list(offences(source)) == []


def test_numpy_forbids_it_by_itself():
    """Why leaving `allow_pickle` out is enough."""
    for function in (np.load, np.lib.format.read_array):
        assert inspect.signature(function).parameters["allow_pickle"].default is False


def test_the_scan_finds_our_own_loading():
    """The real calls are among what it looks at: without their keyword they would be found."""
    source = (ROOT / "models" / "weights.py").read_text(encoding="utf-8")
    assert "weights_only=True" in source
    assert list(offences(source.replace("weights_only=True", "mmap=True")))
