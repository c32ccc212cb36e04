"""The batcher: no clock, no lost future, nobody hangs."""

import asyncio
import gc
import threading
import weakref

import numpy as np
import pytest
import torch

from models.embedder import Views
from service.batcher import Batcher
from service.errors import NotReadyError, OverloadedError
from service.readings import Reading

PATIENCE_S = 30


class Encoder:
    """Doubles numbers; waits at a gate where one is closed, and chokes on what is poisoned."""

    def __init__(self):
        self.batches = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()

    def __call__(self, modality, views, normalize):
        numbers = [float(each.tensor[0, 0]) for each in views]
        self.batches.append((modality, normalize, numbers))
        self.entered.set()
        assert self.gate.wait(PATIENCE_S)
        if any(number < 0 for number in numbers):
            raise RuntimeError("poisoned")
        return np.array([[2 * number] for number in numbers], np.float32)


def views(number, count=1):
    return Views(torch.full((count, 1), float(number)))


def run(scenario, encoder=None, **options):
    """Run `scenario(batcher, encoder)` with a started batcher; it fails where anything hangs."""
    encoder = encoder or Encoder()

    async def whole():
        batcher = Batcher(encoder, **{"queue_limit": 100, "batch_views": 4, **options})
        batcher.start()
        try:
            return await asyncio.wait_for(scenario(batcher, encoder), PATIENCE_S)
        finally:
            encoder.gate.set()
            await batcher.close()

    return asyncio.run(whole())


async def entered(encoder):
    """Wait until the encoder has begun a batch."""
    assert await asyncio.to_thread(encoder.entered.wait, PATIENCE_S)


async def until(condition):
    """Wait for what comes about in another task."""
    while not condition():  # noqa: ASYNC110 - there is no event that tells
        await asyncio.sleep(0.01)


def submitted(batcher, numbers, modality="text"):
    return [asyncio.ensure_future(batcher.submit(modality, views(number))) for number in numbers]


def test_every_caller_gets_its_own_vector():
    """Thirty callers of two modalities, each answered with twice its number."""

    async def scenario(batcher, _):
        texts = submitted(batcher, range(20))
        images = submitted(batcher, range(20, 30), "image")
        return [float(vector[0]) for vector in await asyncio.gather(*texts, *images)]

    assert run(scenario) == [2.0 * number for number in range(30)]


def test_the_next_batch_fills_while_one_runs():
    """The first caller goes alone at once; those who come meanwhile go together, up to the bound."""

    async def scenario(batcher, encoder):
        encoder.gate.clear()
        first = submitted(batcher, [1])
        await entered(encoder)
        others = submitted(batcher, [2, 3, 4, 5, 6])
        await asyncio.sleep(0)
        encoder.gate.set()
        await asyncio.gather(*first, *others)
        return [numbers for _, _, numbers in encoder.batches]

    assert run(scenario) == [[1.0], [2.0, 3.0, 4.0, 5.0], [6.0]]


def reading(make):
    return Reading("text", make)


def unpreparable():
    raise ValueError("not a text")


def test_items_are_prepared_in_the_encoders_thread():
    """One that cannot be fails alone; the others are encoded together, and the encoder is not suspected."""

    async def scenario(batcher, encoder):
        items = [reading(lambda: views(1)), reading(unpreparable), views(3)]
        outcomes = await batcher.submit_all("text", items)
        return outcomes, encoder.batches, batcher.illness

    (one, error, three), batches, ailing = run(scenario)
    assert (float(one[0]), str(error), float(three[0])) == (2.0, "not a text", 6.0)
    assert (batches, ailing) == ([("text", True, [1.0, 3.0])], None)


def test_batches_are_bounded_by_views():
    """Items of three views go one by one through a bound of four; one of nine goes all the same."""

    async def scenario(batcher, encoder):
        encoder.gate.clear()
        first = submitted(batcher, [1])
        await entered(encoder)
        jobs = [
            asyncio.ensure_future(batcher.submit("text", views(n, count)))
            for n, count in [(2, 3), (3, 3), (4, 9)]
        ]
        await asyncio.sleep(0)
        encoder.gate.set()
        await asyncio.gather(*first, *jobs)
        return [numbers for _, _, numbers in encoder.batches]

    assert run(scenario) == [[1.0], [2.0], [3.0], [4.0]]


def test_modalities_and_raw_outputs_never_share_a_batch():
    """Queues take turns, so that a busy modality does not starve another."""

    async def scenario(batcher, encoder):
        encoder.gate.clear()
        first = submitted(batcher, [1])
        await entered(encoder)
        jobs = [
            *submitted(batcher, [2, 3, 4, 5, 6]),
            *submitted(batcher, [7], "image"),
            asyncio.ensure_future(batcher.submit("text", views(8), normalize=False)),
        ]
        await asyncio.sleep(0)
        encoder.gate.set()
        await asyncio.gather(*first, *jobs)
        return encoder.batches[1:]

    assert run(scenario) == [
        ("text", True, [2.0, 3.0, 4.0, 5.0]),
        ("image", True, [7.0]),
        ("text", False, [8.0]),
        ("text", True, [6.0]),
    ]


def test_departed_callers_are_dropped():
    """Whoever is cancelled while waiting never reaches the encoder."""

    async def scenario(batcher, encoder):
        encoder.gate.clear()
        first = submitted(batcher, [1])
        await entered(encoder)
        stay, leave = submitted(batcher, [2, 3])
        await asyncio.sleep(0)
        leave.cancel()
        await asyncio.sleep(0)
        encoder.gate.set()
        await asyncio.gather(*first, stay)
        return [numbers for _, _, numbers in encoder.batches]

    assert run(scenario) == [[1.0], [2.0]]


def test_a_full_queue_refuses():
    """Beyond the bound of a modality OverloadedError; other modalities are not affected; room comes back."""

    async def scenario(batcher, _):
        with batcher.admission({"text": 2}):
            with pytest.raises(OverloadedError, match="2 text"), batcher.admission({"text": 1}):
                pass
            with batcher.admission({"image": 2}):
                pass
        with batcher.admission({"text": 2}):
            return True

    assert run(scenario, queue_limit=2)


def test_a_lone_request_larger_than_the_queue_is_served():
    """What is over the bound by itself would otherwise be refused for ever."""

    async def scenario(batcher, _):
        with batcher.admission({"text": 5}):
            return await asyncio.gather(*submitted(batcher, range(5)))

    assert len(run(scenario, queue_limit=2)) == 5


def test_a_killed_task_leaves_nobody_waiting():
    """Those in the encoder and in the queue get NotReadyError; the task begins anew for later ones."""

    async def scenario(batcher, encoder):
        encoder.gate.clear()
        running = submitted(batcher, [1])
        await entered(encoder)
        queued = submitted(batcher, [2, 3])
        await asyncio.sleep(0)
        batcher._task.cancel()
        results = await asyncio.gather(*running, *queued, return_exceptions=True)
        encoder.gate.set()
        assert float((await batcher.submit("text", views(4)))[0]) == 8.0
        return results

    assert [type(result) for result in run(scenario)] == [NotReadyError] * 3


def test_a_task_that_dies_again_and_again_is_left_dead():
    """The third death within a minute is the last one: whoever comes then is told to call for help."""

    async def scenario(batcher, _):
        for _ in range(3):
            assert batcher.alive
            task = batcher._task
            task.cancel()
            await asyncio.wait({task})
            await asyncio.sleep(0)
        assert not batcher.alive
        with pytest.raises(NotReadyError, match="restarted"):
            await batcher.submit("text", views(4))
        return True

    assert run(scenario)


def test_a_closed_batcher_stays_closed():
    """Nobody is left waiting, and no new task begins."""

    async def scenario(batcher, encoder):
        encoder.gate.clear()
        running = submitted(batcher, [1, 2])
        await entered(encoder)
        await batcher.close()
        results = await asyncio.gather(*running, return_exceptions=True)
        assert not batcher.alive
        return [type(result) for result in results]

    assert run(scenario) == [NotReadyError] * 2


def test_a_batch_that_is_done_leaves_memory_while_its_lane_goes_on():
    """Nothing of a lane's first batch is kept until the lane has nothing to do."""
    gone = []

    async def scenario(batcher, encoder):
        first = views(1)
        watched = weakref.ref(first)
        encoder.gate.clear()
        jobs = [asyncio.ensure_future(batcher.submit("text", first))]
        await entered(encoder)
        jobs += submitted(batcher, range(2, 6))
        await asyncio.sleep(0)
        del first
        encoder.entered.clear()

        def encode(modality, items, normalize):
            gc.collect()
            gone.append(watched() is None)
            return np.ones((len(items), 1), np.float32)

        batcher.attempts.encode = encode
        encoder.gate.set()
        await jobs.pop(0)
        more = submitted(batcher, range(6, 9))
        await asyncio.gather(*jobs, *more)
        return gone[-1]

    assert run(scenario)
