"""The schedule of the lanes: every job once, whichever threads ask."""

import asyncio
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from models.embedder import Views
from service.batch import Job
from service.schedule import Schedule

PATIENCE_S = 30
TEXT, IMAGE = ("text", True), ("image", True)


@pytest.fixture
def loop():
    made = asyncio.new_event_loop()
    yield made
    made.close()


def jobs(loop, count):
    return [Job(Views(torch.zeros(1, 1)), loop.create_future()) for _ in range(count)]


def test_whoever_puts_something_hears_whether_a_lane_is_free(loop):
    """Where all are taken nobody has to be woken: the next one that is done finds it."""
    schedule = Schedule(4, lanes=1)
    assert schedule.put(TEXT, jobs(loop, 1))
    first = schedule.begin()
    later = jobs(loop, 2)
    assert not schedule.put(TEXT, later)
    assert schedule.begin() is None
    assert schedule.follow(first).jobs == later


def test_a_lane_goes_on_with_whose_turn_it_is(loop):
    """A queue that was just served is the last one to be served again."""
    schedule = Schedule(2, lanes=1)
    schedule.put(TEXT, jobs(loop, 4))
    schedule.put(IMAGE, jobs(loop, 1))
    first = schedule.begin()
    second = schedule.follow(first)
    third = schedule.follow(second)
    assert [batch.key for batch in (first, second, third)] == [TEXT, IMAGE, TEXT]
    assert schedule.follow(third) is None


@pytest.mark.parametrize("alone", [IMAGE, ("text", False)])
def test_a_lone_item_does_not_wait_until_many_of_another_kind_have_had_enough(loop, alone):
    """Two lanes that are filled again and again, and one item that is to go through by itself."""
    schedule = Schedule(8, lanes=2)
    schedule.put(TEXT, jobs(loop, 16))
    lanes = [schedule.begin(), schedule.begin()]
    schedule.put(alone, jobs(loop, 1))
    schedule.put(TEXT, jobs(loop, 16))
    following = [schedule.follow(batch) for batch in lanes]
    assert alone in [batch.key for batch in following]


def test_a_batch_whose_callers_have_all_left_is_passed_over(loop):
    """The lane goes on with the next one."""
    schedule = Schedule(2, lanes=1)
    gone, there = jobs(loop, 2), jobs(loop, 1)
    schedule.put(TEXT, [*gone, *there])
    for job in gone:
        job.future.cancel()
    assert schedule.begin().jobs == there


def test_a_lane_of_what_was_dropped_goes_on_with_nothing(loop):
    """After everything was cleared its jobs are nobody's, and others may have its place already."""
    schedule = Schedule(2, lanes=1)
    given = jobs(loop, 3)
    schedule.put(TEXT, given)
    first = schedule.begin()
    assert schedule.clear() == given
    schedule.put(TEXT, jobs(loop, 1))
    assert schedule.follow(first) is None
    second = schedule.begin()
    assert schedule.follow(first) is None
    assert schedule.follow(second) is None


@pytest.fixture
def restless():
    """Threads that take turns after next to no time."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("restless")
def test_many_threads_take_every_job_once(loop):
    """Four lanes in as many threads, and four that bring more all the while."""
    schedule, taken = Schedule(64, lanes=4), []
    given = jobs(loop, 16_000)
    brought = threading.Event()

    def bring(part):
        for at in range(0, len(part), 2):
            schedule.put(TEXT, part[at : at + 2])

    def work():
        while True:
            last_look = brought.is_set()
            batch = schedule.begin()
            while batch is not None:
                taken.extend(batch.jobs)
                batch = schedule.follow(batch)
            if last_look:
                return

    with ThreadPoolExecutor(8) as threads:
        working = [threads.submit(work) for _ in range(4)]
        bringing = [threads.submit(bring, given[i::4]) for i in range(4)]
        for each in bringing:
            each.result(PATIENCE_S)
        brought.set()
        for each in working:
            each.result(PATIENCE_S)
    assert len(taken) == len(given)
    assert set(map(id, taken)) == set(map(id, given))
