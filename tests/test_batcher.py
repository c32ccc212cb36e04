"""The batcher: no clock, no lost future, nobody hangs."""

import asyncio
import gc
import threading
import weakref
from functools import partial

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
        return outcomes, encoder.batches, batcher.ailing

    (one, error, three), batches, ailing = run(scenario)
    assert (float(one[0]), str(error), float(three[0])) == (2.0, "not a text", 6.0)
    assert (batches, ailing) == ([("text", True, [1.0, 3.0])], {})


def test_a_batch_of_which_nothing_can_be_prepared_is_never_encoded():
    """Every caller is told why; whether the encoder works is not asked."""

    async def scenario(batcher, encoder):
        outcomes = await batcher.submit_all("text", [reading(unpreparable)] * 2)
        return [str(each) for each in outcomes], encoder.batches

    assert run(scenario, probe=lambda _: views(-1)) == (["not a text"] * 2, [])


def test_items_of_a_poisoned_batch_are_encoded_one_by_one():
    """None is prepared twice, which whoever sent it would pay for."""

    async def scenario(batcher, _):
        made = []

        def make(number):
            made.append(number)
            return views(number)

        makes = [partial(make, 1), partial(make, -1), unpreparable]
        outcomes = await batcher.submit_all("text", [reading(each) for each in makes])
        return [str(each) if isinstance(each, Exception) else float(each[0]) for each in outcomes], made

    assert run(scenario) == ([2.0, "poisoned", "not a text"], [1, -1])


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


def test_a_poisoned_item_fails_alone():
    """Its batch fails, every item is tried once more by itself, and the others get their vectors."""

    async def scenario(batcher, encoder):
        encoder.gate.clear()
        first = submitted(batcher, [1])
        await entered(encoder)
        others = submitted(batcher, [2, -3, 4])
        await asyncio.sleep(0)
        encoder.gate.set()
        results = await asyncio.gather(*first, *others, return_exceptions=True)
        assert batcher.alive
        assert [float(results[i][0]) for i in (0, 1, 3)] == [2.0, 4.0, 8.0]
        return results[2], [numbers for _, _, numbers in encoder.batches]

    failure, batches = run(scenario)
    assert isinstance(failure, RuntimeError)
    assert batches == [[1.0], [2.0, -3.0, 4.0], [2.0], [-3.0], [4.0]]


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


def test_departed_callers_of_a_poisoned_batch_are_not_tried_again():
    """Only those who still wait are worth another attempt."""

    async def scenario(batcher, encoder):
        encoder.gate.clear()
        jobs = submitted(batcher, [-1, 2, 3])
        await entered(encoder)
        jobs[2].cancel()
        await asyncio.sleep(0)
        encoder.gate.set()
        await asyncio.gather(*jobs, return_exceptions=True)
        return [numbers for _, _, numbers in encoder.batches]

    assert run(scenario) == [[-1.0, 2.0, 3.0], [-1.0], [2.0]]


def test_a_fault_in_a_lane_leaves_nobody_waiting(monkeypatch):
    """Not even one of our own, beside the encoder: its batch is answered, and later ones are encoded."""

    async def scenario(batcher, _):
        with monkeypatch.context() as broken:
            broken.setattr(batcher.metrics, "waited", None)
            failures = await asyncio.gather(*submitted(batcher, [1, 2]), return_exceptions=True)
        assert float((await batcher.submit("text", views(3)))[0]) == 6.0
        return [type(failure) for failure in failures]

    assert run(scenario) == [NotReadyError] * 2


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


def test_a_batcher_that_is_closed_while_an_encoder_is_examined_falls_ill_no_more():
    """Whoever was in line is told that it has stopped; nothing is tried again."""

    async def scenario(batcher, encoder):
        failing = submitted(batcher, [-1])
        await asyncio.gather(*failing, return_exceptions=True)
        await asyncio.to_thread(begun.wait, PATIENCE_S)
        waiting = submitted(batcher, [2])
        await asyncio.sleep(0)
        await batcher.close()
        go_on.set()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        await asyncio.sleep(0.05)
        return [type(each) for each in outcomes], batcher.ailing, batcher._recovery

    begun, go_on = threading.Event(), threading.Event()

    def probe(_modality):
        begun.set()
        assert go_on.wait(PATIENCE_S)
        return views(-1)

    assert run(scenario, probe=probe) == ([NotReadyError], {}, None)


class Breakable:
    """An encoder that raises `error` for every input while there is one."""

    def __init__(self, error=None):
        self.error = error

    def __call__(self, modality, views, normalize):  # noqa: ARG002 - as the batcher calls it
        if self.error is not None and modality == "text":
            raise self.error
        return np.array([[float(each.tensor[0, 0])] for each in views], np.float32)


def test_an_encoder_that_fails_with_everything_is_left_alone_until_it_works_again(monkeypatch):
    """Its callers are refused at once, other encoders go on; a known-good sample tells when it is back."""
    monkeypatch.setattr("service.batcher.FIRST_PROBE_S", 0.01)

    async def scenario(batcher, _):
        batcher.attempts.encode = broken = Breakable(RuntimeError("no more memory"))
        failures = await asyncio.gather(*submitted(batcher, [1, 2]), return_exceptions=True)
        assert [type(each) for each in failures] == [RuntimeError] * 2
        await until(lambda: batcher.illness)
        assert "text (RuntimeError)" in batcher.illness
        assert "no more memory" not in batcher.illness
        with pytest.raises(NotReadyError, match="text encoder fails"):
            await batcher.submit("text", views(3))
        assert float((await batcher.submit("image", views(3)))[0]) == 3.0
        broken.error = None
        await until(lambda: not batcher.illness)
        return float((await batcher.submit("text", views(5)))[0])

    assert run(scenario, probe=lambda _: views(0)) == 5.0


def test_bad_input_is_no_illness():
    """Where a known-good sample passes, the encoder is not to blame, however many callers have failed."""

    async def scenario(batcher, _):
        failures = await asyncio.gather(*submitted(batcher, [-1, -2, -3]), return_exceptions=True)
        assert [type(each) for each in failures] == [RuntimeError] * 3
        assert batcher.illness is None
        return float((await batcher.submit("text", views(1)))[0])

    assert run(scenario, probe=lambda _: views(0)) == 2.0


class OutOfMemoryError(RuntimeError):
    """As torch names it."""


@pytest.mark.parametrize("error", [MemoryError(), OutOfMemoryError("tried to allocate 20 GiB")])
def test_too_little_memory_is_told_as_something_that_passes(error):
    """503 with Retry-After in place of an unexpected error, whichever memory it was."""

    async def scenario(batcher, _):
        batcher.attempts.encode = Breakable(error)
        return await asyncio.gather(*submitted(batcher, [1]), return_exceptions=True)

    [failure] = run(scenario)
    assert isinstance(failure, NotReadyError)
    assert "out of memory" in failure.message


class Panic(BaseException):
    """What compiled code raises: no Exception."""


@pytest.mark.parametrize("of_item", [True, False])
def test_an_error_that_no_future_takes_reaches_its_caller(of_item):
    """asyncio's futures refuse StopIteration; those beside it are answered all the same."""

    def stop(*_):
        raise StopIteration

    async def scenario(batcher, _):
        if not of_item:
            batcher.attempts.encode = stop
        return await batcher.submit_all("text", [reading(stop) if of_item else views(1), views(2)])

    first, second = run(scenario)
    assert (type(first), str(first)) == (RuntimeError, "StopIteration: ")
    assert float(second[0]) == 4.0 if of_item else type(second) is RuntimeError


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


def test_a_panic_in_the_encoder_reaches_its_caller_only():
    """An error that is no Exception becomes one, and the batcher goes on."""

    async def scenario(batcher, encoder):
        batcher.attempts.encode = Breakable(Panic("index out of bounds"))
        [failure] = await asyncio.gather(*submitted(batcher, [1]), return_exceptions=True)
        batcher.attempts.encode = encoder
        return failure, float((await batcher.submit("text", views(2)))[0])

    failure, after = run(scenario)
    assert isinstance(failure, RuntimeError)
    assert "Panic" in str(failure)
    assert after == 4.0


def test_a_failed_batch_gives_its_memory_back_before_the_next_attempt():
    """The error of the batch holds none of the encoder's variables while the items are tried one by one."""
    alive = weakref.WeakSet()
    seen = []

    class Activation:
        pass

    async def scenario(batcher, _):
        def encode(modality, views, normalize):
            seen.append(len(alive))
            if len(views) > 1:
                activation = Activation()
                alive.add(activation)
                raise MemoryError
            return np.zeros((1, 1), np.float32)

        batcher.attempts.encode = encode
        await asyncio.gather(*submitted(batcher, [1, 2]))
        return seen

    assert run(scenario) == [0, 0, 0]


def test_an_encoder_that_answers_nonsense_fails_its_callers_only():
    """Too few rows are an error of the encoder: the callers hear of it, the batcher goes on."""

    async def scenario(batcher, encoder):
        batcher.attempts.encode = lambda *_: np.empty((0, 1), np.float32)
        [failure] = await asyncio.gather(*submitted(batcher, [1]), return_exceptions=True)
        batcher.attempts.encode = encoder
        [vector] = await asyncio.gather(*submitted(batcher, [2]))
        return failure, float(vector[0])

    failure, vector = run(scenario)
    assert isinstance(failure, Exception)
    assert vector == 4.0
