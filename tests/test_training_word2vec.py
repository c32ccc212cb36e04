"""The skip-gram example: its counts, its gradients, and that it finds a structure that was put in."""

import random
from itertools import permutations

import numpy as np
import pytest

from training.examples import word2vec
from training.examples.word2vec import Config, Words, full_softmax, gradients, negative_sampling

ROLES = {
    "throne": ("king", "queen"),
    "stage": ("actor", "actress"),
    "menu": ("waiter", "waitress"),
    "nephew": ("uncle", "aunt"),
}


def kingdom(count=600):
    """Sentences in which a person's neighbours are the role's thing and words of the person's sex."""
    rng = random.Random(0)
    made = []
    for _ in range(count):
        thing, pair = rng.choice(list(ROLES.items()))
        side = rng.randrange(2)
        his = rng.choice((("he", "his", "beard"), ("she", "her", "dress"))[side])
        words = [pair[side], thing, his]
        rng.shuffle(words)
        made.append(words)
    return made


@pytest.fixture(scope="module", params=[0.0, 5.0], ids=["full softmax", "negative sampling"])
def learned(request):
    """Vectors of the kingdom's words."""
    texts = kingdom()
    config = Config(words=50, width=12, frequent=1.0, steps=300, negatives=request.param)
    names = word2vec.vocabulary(texts, config.words)
    said = []
    x = word2vec.neighbours(texts, names, config)
    return Words(names, word2vec.train(x, config, said.append)), said


def test_king_minus_man_plus_woman(learned):
    """Every analogy between two roles comes out: king - queen = actor - actress."""
    words, said = learned
    for (a, b), (c, d) in permutations(ROLES.values(), 2):
        assert words.analogy(a, b, c, 1) == [d]
        assert words.analogy(b, a, d, 1) == [c]
    assert words.vectors.shape == (len(words.names), 12)
    assert float(said[0].split()[-1]) > float(said[-1].split()[-1])


@pytest.mark.parametrize("objective", [full_softmax, negative_sampling(3.0)])
def test_gradients_agree_with_finite_differences(objective):
    """dL/dW and dL/dW' at a random place, every entry, in double precision."""
    rng = np.random.default_rng(1)
    x = rng.integers(0, 5, (6, 6)).astype(float)
    matrices = [rng.normal(size=(6, 3)), rng.normal(size=(3, 6))]
    _, *found = gradients(objective, *matrices, x)
    for matrix, gradient in zip(matrices, found, strict=True):
        for place in np.ndindex(matrix.shape):
            kept, losses = matrix[place], []
            for shift in (1e-5, -1e-5):
                matrix[place] = kept + shift
                losses.append(objective(*matrices, x)[0])
            matrix[place] = kept
            assert gradient[place] == pytest.approx((losses[0] - losses[1]) / 2e-5, abs=1e-7)


def test_the_full_softmax_of_equal_scores_is_the_logarithm_of_the_vocabulary():
    """Before anything is learnt, every word is as likely as any other: L = log V."""
    loss, _ = full_softmax(np.ones((7, 2)), np.zeros((2, 7)), np.ones((7, 7)))
    assert loss == pytest.approx(np.log(7))


def test_neighbours_are_counted_by_distance():
    """Window 2: next to each other 1, one between them 1/2, across sentences nothing; both ways alike."""
    names = ["a", "b", "c"]
    x = word2vec.neighbours([["a", "b", "c"], ["a", "b", "unknown"]], names, Config(window=2, frequent=1.0))
    assert x.tolist() == [[0, 2, 0.5], [2, 0, 1], [0.5, 1, 0]]


def test_frequent_words_are_thinned():
    """A word of frequency 1/2 and a target of 1/8 weighs sqrt(1/4), twice where it meets itself."""
    texts = [["the", "dog"], ["the", "cat"]]
    x = word2vec.neighbours(texts, ["the", "dog", "cat"], Config(window=1, frequent=1 / 8))
    assert x[0, 1] == pytest.approx((1 / 4) ** 0.5 * (1 / 2) ** 0.5)


def test_a_text_file_or_captions(tmp_path):
    """One sentence per line; a folder without captions is refused with what is accepted."""
    path = tmp_path / "lines.txt"
    path.write_text("A dog barks.\nThe cat's away\n", encoding="utf-8")
    assert word2vec.sentences(path) == [["a", "dog", "barks"], ["the", "cat", "s", "away"]]
    with pytest.raises(SystemExit, match=r"text/\*\.csv\.gz"):
        word2vec.sentences(tmp_path)


def test_flat_keeps_the_plane_of_largest_variance():
    """Points of a plane in five dimensions keep their distances."""
    rng = np.random.default_rng(2)
    plane, _ = np.linalg.qr(rng.normal(size=(5, 2)))
    points = rng.normal(size=(9, 2))
    flat = word2vec.flat((points @ plane.T + 3).astype(np.float32))
    assert np.allclose(np.linalg.norm(flat[0] - flat[1]), np.linalg.norm(points[0] - points[1]), atol=1e-4)
