"""Lanes: batches side by side where that is worth it, and nobody's fault is another's."""

import asyncio
import os
import sys
import threading
import time

import numpy as np
import pytest

from models.machine import NICENESS_STEP, NICEST
from service.errors import NotReadyError
from tests.test_batcher import PATIENCE_S, run, submitted, until, views


class Lanes:
    """Doubles numbers, each batch when the gate opens; writes down batches and what was divided."""

    def __init__(self):
        self.begun, self.divided = [], []
        self.gate = threading.Event()

    def __call__(self, modality, views, _normalize):
        numbers = [float(each.tensor[0, 0]) for each in views]
        self.begun.append((modality, numbers))
        assert self.gate.wait(PATIENCE_S)
        if any(number < 0 for number in numbers):
            raise RuntimeError("poisoned")
        return np.array([[2 * number] for number in numbers], np.float32)


def in_two_lanes(scenario):
    """`scenario(batcher, encoder)` with two lanes and batches of four."""
    encoder = Lanes()
    return run(scenario, encoder, lanes=2, divide=encoder.divided.append)


def test_a_second_lane_opens_for_half_a_batch_and_shares_the_processors():
    """One item alone has all processors; the next one waits, two are worth a lane, of half the processors."""

    async def scenario(batcher, encoder):
        first = submitted(batcher, [1])
        await until(lambda: len(encoder.begun) == 1)
        one = submitted(batcher, [2])
        await asyncio.sleep(0.05)
        assert len(encoder.begun) == 1
        two = submitted(batcher, [3])
        await until(lambda: len(encoder.begun) == 2)
        encoder.gate.set()
        vectors = await asyncio.gather(*first, *one, *two)
        assert [float(vector[0]) for vector in vectors] == [2.0, 4.0, 6.0]
        return encoder.begun, encoder.divided

    begun, divided = in_two_lanes(scenario)
    assert begun == [("text", [1.0]), ("text", [2.0, 3.0])]
    assert divided == [1, 2]


def test_another_modality_takes_the_free_lane():
    """A lone picture does not wait for a sentence, nor for those that wait behind it."""

    async def scenario(batcher, encoder):
        texts = submitted(batcher, [1])
        await until(lambda: len(encoder.begun) == 1)
        texts += submitted(batcher, [2])
        pictures = submitted(batcher, [3], "image")
        await until(lambda: len(encoder.begun) == 2)
        encoder.gate.set()
        await asyncio.gather(*texts, *pictures)
        return encoder.begun[:2]

    assert in_two_lanes(scenario) == [("text", [1.0]), ("image", [3.0])]


def test_a_lane_goes_on_while_the_event_loop_is_busy():
    """What waits is begun as soon as a lane is free, not when the lane's turn in the event loop has come."""

    async def scenario(batcher, encoder):
        jobs = submitted(batcher, range(12))
        await until(lambda: len(encoder.begun) == 2)
        encoder.gate.set()
        give_up = time.monotonic() + PATIENCE_S
        while len(encoder.begun) < 3 and time.monotonic() < give_up:
            time.sleep(0.001)  # noqa: ASYNC251 - the whole loop stands still
        begun = list(encoder.begun)
        vectors = await asyncio.gather(*jobs)
        return begun, [float(vector[0]) for vector in vectors]

    begun, vectors = in_two_lanes(scenario)
    assert sorted(numbers for _, numbers in begun) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert vectors == [2.0 * number for number in range(12)]


def test_a_poisoned_batch_leaves_the_other_lane_alone():
    """Its items are tried one by one while the other lane's get their vectors."""

    async def scenario(batcher, encoder):
        good = submitted(batcher, [1, 2], "image")
        bad = submitted(batcher, [-3, 4])
        await until(lambda: len(encoder.begun) == 2)
        encoder.gate.set()
        return await asyncio.gather(*good, *bad, return_exceptions=True)

    first, second, poisoned, last = in_two_lanes(scenario)
    assert [float(each[0]) for each in (first, second, last)] == [2.0, 4.0, 8.0]
    assert str(poisoned) == "poisoned"


def test_an_ailing_encoder_is_tried_again_while_the_lanes_are_busy(monkeypatch):
    """A thread of its own asks it, so it serves again however long the others work."""
    monkeypatch.setattr("service.ailments.FIRST_PROBE_S", 0.01)

    async def scenario(batcher, encoder):
        whole = batcher.attempts.encode
        batcher.attempts.encode = lambda *_: (_ for _ in ()).throw(RuntimeError("broken"))
        await asyncio.gather(*submitted(batcher, [1], "image"), return_exceptions=True)
        await until(lambda: batcher.illness)
        batcher.attempts.encode = lambda name, *words: (
            whole(name, *words) if name == "text" else np.ones((1, 1), np.float32)
        )
        texts = submitted(batcher, range(8))
        await until(lambda: len(encoder.begun) == 2)
        await until(lambda: not batcher.illness)
        encoder.gate.set()
        await asyncio.gather(*texts)
        return True

    encoder = Lanes()
    assert run(scenario, encoder, lanes=2, probe=lambda _: views(0))


def test_a_killed_task_leaves_nobody_waiting_in_either_lane():
    """Both batches in the lanes and the one in line get NotReadyError."""

    async def scenario(batcher, encoder):
        jobs = submitted(batcher, range(10))
        await until(lambda: len(encoder.begun) == 2)
        batcher._task.cancel()
        return await asyncio.gather(*jobs, return_exceptions=True)

    assert [type(result) for result in in_two_lanes(scenario)] == [NotReadyError] * 10


@pytest.mark.skipif(sys.platform != "linux", reason="threads share one priority here")
def test_the_event_loop_goes_before_the_lanes():
    """Encoders take what is left of the processors, and leave the event loop's own priority alone."""
    seen = []

    def encode(_modality, views, _normalize):
        seen.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        return np.ones((len(views), 1), np.float32)

    async def scenario(batcher, _):
        before = os.getpriority(os.PRIO_PROCESS, 0)
        batcher.attempts.encode = encode
        await asyncio.gather(*submitted(batcher, [1]))
        return before, os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before, after = run(scenario)
    assert before == after
    if seen == [before] and before < NICEST:
        pytest.skip("priorities may not be changed here")
    assert seen == [min(NICEST, before + NICENESS_STEP)]
