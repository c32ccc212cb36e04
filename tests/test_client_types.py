"""The Python client's types, as a user's strict type checker sees them."""

import subprocess
import sys
from pathlib import Path

import sensorium_client as sc

PROGRAM = """
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
from PIL import Image as Pictures

import sensorium_client as sc

client = sc.Client(timeout=3)
paths: list[Path] = [Path("a.jpg")]
texts = ["a", "b"]
pixels = np.zeros((3, 3, 3), np.uint8)
for contents in (paths, texts):
    client.embed(contents)
client.embed(("a", Path("b.jpg"), Pictures.new("RGB", (3, 3)), pixels, {"text": "a"}))
client.embed(Pictures.new("RGB", (3, 3)))
best: str = client.classify(Path("a.jpg"), texts).best
client.classify(paths, texts)[0].best
client.classify(texts, texts)[0].best
client.classify((Path("a"), "b"), texts)[0].best
client.classify([Path("a"), "b", sc.Image("x")], texts)[0].best
client.similarity(texts, paths)
zoo = client.create("zoo")
zoo.add_all(sc.NewItem(path, id=path.name, metadata={"year": 2024}) for path in paths)
zoo.add_all([sc.Image(pixels), "a", Path("x")])
zoo.search([sc.Weighted("rain", -0.5), Path("x")], modalities=["image"])
zoo.search(sc.Vector(np.zeros(3, np.float32)))
zoo.delete("x") + zoo.delete(["x"])


async def stream() -> AsyncIterator[sc.NewItem]:
    yield sc.NewItem("a")


async def tour() -> None:
    async with sc.AsyncClient() as later:
        async for added in (await later.create("zoo")).add(stream()):
            print(added.status)
        (await later.classify(paths, texts))[0].best
"""


def test_a_strict_type_checker_accepts_what_the_client_takes(tmp_path):
    """Lists of one kind, tuples, PIL images, arrays, streams; and refuses what it does not take."""
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "wrong.py").write_text("import sensorium_client as sc\n\nsc.Client().embed(7)\n")
    (tmp_path / "mypy.ini").write_text(f"[mypy]\nstrict = true\nmypy_path = {Path(sc.__file__).parents[1]}\n")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--cache-dir", ".cache", "program.py", "wrong.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    faults = [line for line in done.stdout.splitlines() if "error:" in line]
    assert [line.split(":")[0] for line in faults] == ["wrong.py"], done.stdout
