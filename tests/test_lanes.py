"""Batches side by side through one encoder: their order, their faults, and what is left when it ends."""

import threading

import numpy as np
import pytest
import torch

import models
from models.embedder import Views
from models.machine import compute_threads
from service.bulk.candidates import Candidate
from service.bulk.lanes import Batch, Encoder, Lanes
from service.bulk.pool import Answer
from tests.small_embedder import small_embedder

WAIT_S = 20.0


def batch(*numbers):
    """Items of one view, which is their number."""
    made = Batch()
    for number in numbers:
        views = Views(torch.tensor([float(number)]))
        made.add(Answer(Candidate(str(number), str(number), None, "image"), views=views), views)
    return made


def numbers(views):
    return np.array([[float(each.tensor[0])] for each in views], np.float32)


def flat(encoded):
    return [
        (answer.candidate.id, None if v is None else float(v[0]))
        for _, b, vs in encoded
        for answer, v in zip(b.answers, vs, strict=True)
    ]


def test_two_lanes_encode_two_batches_at_once_and_give_them_in_order():
    """Neither of two batches gets on unless the other is in the encoder too; what comes out is in order."""
    both = threading.Barrier(2, timeout=WAIT_S)

    def encode(_, views):
        both.wait()
        return numbers(views)

    lanes = Lanes(Encoder(encode, lanes=2))
    out = [each for n in range(6) for each in lanes.give("image", batch(2 * n, 2 * n + 1))]
    out += lanes.encoded(0)
    lanes.close()
    assert flat(out) == [(str(n), float(n)) for n in range(12)]


def test_no_more_than_one_batch_waits_for_the_lanes():
    """With all lanes at work and one batch waiting, the next one is taken only when the first is done."""
    go, begun = threading.Event(), []

    def encode(_, views):
        begun.append(len(views))
        assert go.wait(WAIT_S)
        return numbers(views)

    lanes = Lanes(Encoder(encode))
    first = list(lanes.give("image", batch(1)))
    go.set()
    second = list(lanes.give("image", batch(2)))
    lanes.close()
    assert (first, flat(second)[:1]) == ([], [("1", 1.0)])


def test_a_batch_that_fails_is_encoded_one_by_one():
    """An item whose numbers are of no use, or that the encoder breaks at, is None; its neighbours are not."""

    def encode(_, views):
        rows = numbers(views)
        if 3.0 in rows:
            raise RuntimeError("cannot")
        return np.where(rows == 2.0, np.nan, rows)

    lanes = Lanes(Encoder(encode, lanes=2))
    out = [*lanes.give("image", batch(1, 2, 3, 4)), *lanes.encoded(0)]
    lanes.close()
    assert flat(out) == [("1", 1.0), ("2", None), ("3", None), ("4", 4.0)]


def test_what_the_encoder_raises_reaches_the_caller():
    """An error that is not of the numbers ends the pass."""

    def encode(_, views):
        raise MemoryError(len(views))

    lanes = Lanes(Encoder(encode))
    with pytest.raises(MemoryError):
        list(lanes.give("image", batch(1))) + list(lanes.encoded(0))
    lanes.close()


def test_the_lanes_share_the_processors_and_give_the_same_vectors():
    """Of a model's threads each lane has its part, and a lane's vectors are those of the bare encoder."""
    embedder = small_embedder()
    encoder = Encoder.of(embedder)
    assert 1 <= encoder.lanes * encoder.threads <= max(compute_threads(), encoder.lanes)
    small = models.load("sensorium-small", modalities=["image"])
    view = small.prepare("image", small.senses["image"].sample())
    expected = small.encode("image", [view] * 3)
    seen = []

    def encode(modality, views):
        seen.append(torch.get_num_threads())
        return small.encode(modality, views)

    lanes = Lanes(Encoder(encode, lanes=2, threads=1))
    made = Batch()
    for _ in range(3):
        made.add(Answer(Candidate("a", "a", None, "image"), views=view), view)
    (encoded,) = [*lanes.give("image", made), *lanes.encoded(0)]
    lanes.close()
    np.testing.assert_allclose(np.stack(encoded[2]), expected, atol=1e-6)
    assert seen == [1]
