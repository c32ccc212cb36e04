"""What a batcher does where encoders, inputs or it itself fail: each caller hears of its own input."""

import asyncio
import threading
import weakref
from functools import partial

import numpy as np
import pytest

from service.errors import NotReadyError
from tests.test_batcher import PATIENCE_S, entered, reading, run, submitted, unpreparable, until, views


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
        return [type(each) for each in outcomes], batcher.illness

    begun, go_on = threading.Event(), threading.Event()

    def probe(_modality):
        begun.set()
        assert go_on.wait(PATIENCE_S)
        return views(-1)

    assert run(scenario, probe=probe) == ([NotReadyError], None)


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
    monkeypatch.setattr("service.ailments.FIRST_PROBE_S", 0.01)

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
