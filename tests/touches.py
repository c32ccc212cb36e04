"""A toy seventh sense: what a sensor of three channels feels when it strokes things."""

import csv
import io

import numpy as np

CONCEPTS = (
    "a cat",
    "a cup of coffee",
    "a rocket",
    "a dog",
    "a rough stone",
    "waves on a beach",
    "a bicycle",
    "a violin",
)
SAMPLES = 32


def touch(concept, number, samples=SAMPLES):
    """Float32 (samples, 3): every thing has its own levels and rhythms; every stroke its own noise."""
    of_thing = np.random.default_rng(CONCEPTS.index(concept))
    of_stroke = np.random.default_rng([CONCEPTS.index(concept), number])
    rates, levels = of_thing.uniform(1, 8, 3), of_thing.uniform(-1.5, 1.5, 3)
    times = np.linspace(0, 1, samples)[:, None]
    waves = np.sin(2 * np.pi * (rates * times + of_stroke.uniform(0, 1, 3)))
    return (levels + waves + of_stroke.normal(0, 0.7, (samples, 3))).astype(np.float32)


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def write_manifest(path, rows, columns=("file", "text")):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)
    return path


def write_pairs(folder, each=10):
    """A manifest of `each` strokes of every thing; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for concept in CONCEPTS:
        for number in range(each):
            name = f"{CONCEPTS.index(concept)}-{number}.npy"
            (folder / name).write_bytes(npy(touch(concept, number)))
            rows.append((name, concept))
    return write_manifest(folder / "pairs.csv", rows)
