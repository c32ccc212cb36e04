"""word2vec's skip-gram (Mikolov et al. 2013), exact and small: the simplest space with meaning in it.

    python -m training.examples.word2vec --data FOLDER_OR_TEXT [--picture FILE.svg]

A word c is a one-hot row x (V). W (V, N) picks its vector h = x W, W' (N, V) gives every word o of the
vocabulary a score u_o = h W', and a softmax turns scores into the chance of meeting o beside c:

    p(o|c) = exp(u_co) / sum_j exp(u_cj),     L = -(1/T) sum_{pairs (c, o)} log p(o|c)

With a small vocabulary nothing has to be sampled: pairs that are alike are counted once (X_co times), so one
step sees the whole text as a matrix product. `docs/word2vec.md` tells the story and shows the results.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from training.charts import Point, scatter

Float32 = npt.NDArray[np.float32]
Objective = Callable[[Float32, Float32, Float32], tuple[float, Float32]]


@dataclass(frozen=True)
class Config:
    """The choices of the example."""

    words: int = 3000  # V: the most frequent ones
    width: int = 64  # N
    window: int = 5  # neighbours on each side; one that is d away counts 1 - (d - 1) / window
    frequent: float = 1e-3  # a word of frequency f is kept with probability min(1, sqrt(frequent / f))
    steps: int = 100
    rate: float = 0.03  # of Adam
    negatives: float = 0.0  # k of negative sampling; 0 = the full softmax
    seed: int = 0


def sentences(data: Path) -> list[list[str]]:
    """Lower-case words of every caption below `data`/text (*.csv.gz), or of every line of a text file."""
    if data.is_file():
        return [split(line) for line in data.read_text(encoding="utf-8").splitlines()]
    found = []
    for path in sorted((data / "text").glob("*.csv.gz")):
        with gzip.open(path, "rt", newline="", encoding="utf-8") as file:
            found += [split(row["caption"]) for row in csv.DictReader(file)]
    if not found:
        raise SystemExit(f"{data} is neither a text file nor a folder with text/*.csv.gz")
    return found


def split(line: str) -> list[str]:
    return re.findall("[a-z]+", line.lower())


def vocabulary(texts: Iterable[Sequence[str]], most: int) -> list[str]:
    """The `most` frequent words, the most frequent first."""
    return [word for word, _ in Counter(word for text in texts for word in text).most_common(most)]


def neighbours(texts: Sequence[Sequence[str]], names: Sequence[str], config: Config) -> Float32:
    """X (V, V): how often o stands within the window of c, near ones and rare ones weighing more.

    The weights are what word2vec's drawn window sizes and thinned frequent words come to on average.
    """
    column = {name: place for place, name in enumerate(names)}
    ids = np.array([column[word] for text in texts for word in text if word in column])
    lengths = [sum(word in column for word in text) for text in texts]
    owner = np.repeat(np.arange(len(texts)), lengths)
    size = len(names)
    counts = np.zeros(size * size)
    for distance in range(1, config.window + 1):
        together = owner[distance:] == owner[:-distance]
        pairs = ids[:-distance][together] * size + ids[distance:][together]
        counts += np.bincount(pairs, minlength=size * size) * (1 - (distance - 1) / config.window)
    one_way = counts.reshape(size, size)
    frequency = np.bincount(ids, minlength=size) / len(ids)
    kept = np.minimum(1, np.sqrt(config.frequent / frequency))
    return np.asarray((one_way + one_way.T) * np.outer(kept, kept), np.float32)


def full_softmax(w: Float32, w_out: Float32, x: Float32) -> tuple[float, Float32]:
    """The loss and its gradient dL/du (V, V) = (p(o|c) sum_o X_co - X_co) / T."""
    u = w @ w_out
    u -= u.max(1, keepdims=True)
    total = x.sum()
    log_p = u - np.log(np.exp(u).sum(1, keepdims=True))
    loss = -float((x * log_p).sum() / total)
    return loss, (np.exp(log_p) * x.sum(1, keepdims=True) - x) / total


def negative_sampling(k: float) -> Objective:
    """Each pair against k words drawn from P(o) ~ count^0.75, summed over all draws (Levy & Goldberg 2014).

    L = -(1/T) sum_co [ X_co log s(u_co) + k X_c P(o) log s(-u_co) ],   s(u) = 1 / (1 + exp(-u))
    """

    def objective(w: Float32, w_out: Float32, x: Float32) -> tuple[float, Float32]:
        u, total = w @ w_out, x.sum()
        drawn = x.sum(0) ** 0.75
        rivals = k * np.outer(x.sum(1), drawn / drawn.sum())
        loss = float((x * np.logaddexp(0, -u) + rivals * np.logaddexp(0, u)).sum() / total)
        return loss, (rivals - (x + rivals) / (1 + np.exp(u))) / total

    return objective


def gradients(objective: Objective, w: Float32, w_out: Float32, x: Float32) -> tuple[float, Float32, Float32]:
    """The loss, dL/dW = dL/du W'^T and dL/dW' = W^T dL/du."""
    loss, slope = objective(w, w_out, x)
    return loss, slope @ w_out.T, w.T @ slope


class Adam:
    """Kingma & Ba 2015, for one matrix."""

    def __init__(self, values: Float32) -> None:
        self.values, self.mean, self.square, self.count = values, 0 * values, 0 * values, 0

    def step(self, gradient: Float32, rate: float) -> None:
        self.count += 1
        self.mean += 0.1 * (gradient - self.mean)
        self.square += 0.01 * (gradient**2 - self.square)
        mean, square = self.mean / (1 - 0.9**self.count), self.square / (1 - 0.99**self.count)
        self.values -= rate * mean / (np.sqrt(square) + 1e-8)


def train(x: Float32, config: Config, say: Callable[[str], None] = print) -> Float32:
    """Unit vectors (V, N): the rows of W after `steps` of Adam over all pairs, the rate falling to 0."""
    rng = np.random.default_rng(config.seed)
    w = (rng.normal(size=(len(x), config.width)) / config.width**0.5).astype(np.float32)
    w_out = np.zeros((config.width, len(x)), np.float32)
    objective = negative_sampling(config.negatives) if config.negatives else full_softmax
    inner, outer = Adam(w), Adam(w_out)
    for step in range(config.steps):
        loss, into_w, into_w_out = gradients(objective, w, w_out, x)
        rate = config.rate * (1 - step / config.steps)
        inner.step(into_w, rate)
        outer.step(into_w_out, rate)
        if step % 20 == 0 or step + 1 == config.steps:
            say(f"step {step + 1}/{config.steps}  loss {loss:.4f}")
    return np.asarray(w / np.linalg.norm(w, axis=1, keepdims=True), np.float32)


class Words:
    """Unit vectors (V, N) by name."""

    def __init__(self, names: Sequence[str], vectors: Float32) -> None:
        self.names, self.vectors = list(names), vectors
        self.row = {name: row for row, name in enumerate(self.names)}

    def nearest(self, query: Float32, count: int, without: Sequence[str] = ()) -> list[str]:
        """The words of the largest cosine with `query` (N,)."""
        order = np.argsort(-(self.vectors @ query))
        return [self.names[row] for row in order if self.names[row] not in without][:count]

    def like(self, name: str, count: int = 6) -> list[str]:
        return self.nearest(self.vectors[self.row[name]], count, [name])

    def analogy(self, a: str, b: str, c: str, count: int = 3) -> list[str]:
        """A : b :: c : ?, the words nearest to b - a + c, the three themselves left out."""
        va, vb, vc = (self.vectors[self.row[name]] for name in (a, b, c))
        return self.nearest(vb - va + vc, count, [a, b, c])


def flat(vectors: Float32) -> Float32:
    """(n, N) -> (n, 2): the two directions of largest variance (PCA by SVD)."""
    centred = vectors - vectors.mean(0)
    _, _, right = np.linalg.svd(centred, full_matrices=False)
    return np.asarray(centred @ right[:2].T, np.float32)


ANALOGIES = (  # a : b :: c : d
    ("man", "woman", "boy", "girl"),
    ("man", "woman", "men", "women"),
    ("man", "men", "woman", "women"),
    ("dog", "dogs", "bird", "birds"),
    ("dog", "dogs", "boy", "boys"),
    ("car", "cars", "truck", "trucks"),
    ("dog", "barks", "cat", "meows"),
    ("dog", "barking", "cat", "meowing"),
    ("dog", "barking", "bird", "chirping"),
    ("dog", "barks", "duck", "quacks"),
    ("walk", "walking", "run", "running"),
    ("man", "he", "woman", "she"),
    ("snow", "skier", "wave", "surfer"),
    ("basketball", "court", "soccer", "field"),
    ("king", "queen", "man", "woman"),
)
SHOWN = ("dog", "thunder", "guitar", "snow", "motorcycle", "laughing", "red", "two")
GROUPS = {
    "animals": ("dog", "cat", "bird", "duck", "sheep", "horse", "rooster"),
    "vehicles": ("car", "truck", "bus", "train", "motorcycle", "helicopter", "boat"),
    "people": ("man", "woman", "boy", "girl", "child", "baby"),
    "weather and water": ("rain", "thunder", "wind", "waves", "river", "stream"),
    "sport": ("soccer", "basketball", "tennis", "skateboard", "surfboard"),
    "colours": ("red", "blue", "green", "white", "black", "yellow"),
}


def picture(words: Words) -> str:
    """SVG: the words of GROUPS, flattened to the plane."""
    known = [(group, name) for group, names in GROUPS.items() for name in names if name in words.row]
    if len(known) < 3:
        raise SystemExit("too few of the words in GROUPS are in this text for a picture")
    places = flat(words.vectors[[words.row[name] for _, name in known]])
    points = [
        Point(float(x), float(y), name, group) for (group, name), (x, y) in zip(known, places, strict=True)
    ]
    return scatter("Captions as skip-gram sees them", points, "first principal component", "second")


def show(words: Words) -> None:
    """Print neighbours, then analogies with what was hoped for."""
    for name in SHOWN:
        if name in words.row:
            print(f"{name:12}{', '.join(words.like(name))}")
    for a, b, c, hoped in ANALOGIES:
        missing = [name for name in (a, b, c, hoped) if name not in words.row]
        found = [] if missing else words.analogy(a, b, c)
        verdict = f"not in the vocabulary: {', '.join(missing)}" if missing else ", ".join(found)
        place = found.index(hoped) + 1 if hoped in found else "-"
        print(f"{a} : {b} :: {c} : {hoped:12} [{place}]  {verdict}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with text/*.csv.gz, or a text file")
    parser.add_argument(
        "--negatives", type=float, default=0.0, help="k of negative sampling; 0 = full softmax"
    )
    parser.add_argument("--steps", type=int, default=Config.steps)
    parser.add_argument("--picture", type=Path, help="SVG file to write")
    chosen = parser.parse_args()
    config = Config(negatives=chosen.negatives, steps=chosen.steps)
    texts = sentences(chosen.data)
    names = vocabulary(texts, config.words)
    print(f"{len(texts)} sentences, {sum(map(len, texts))} words, {len(names)} in the vocabulary")
    words = Words(names, train(neighbours(texts, names, config), config))
    show(words)
    if chosen.picture:
        chosen.picture.write_text(picture(words), encoding="utf-8")


if __name__ == "__main__":
    main()
