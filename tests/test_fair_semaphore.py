"""Fair turns: as many at a time as there may be, and nobody twice before another once."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.fair_semaphore import FairSemaphore
from service.serving import in_turn

PATIENCE_S = 30


def test_who_has_just_had_a_turn_comes_behind_those_who_wait():
    """A lane that asks again at once does not keep another model's waiting."""
    turns, order, both = FairSemaphore(1), [], threading.Barrier(2)

    def busy():
        for i in range(50):
            with turns:
                order.append("busy")
                if i == 0:
                    both.wait(PATIENCE_S)
                    give_up = time.monotonic() + PATIENCE_S
                    while not turns._waiting and time.monotonic() < give_up:
                        time.sleep(0.001)

    def patient():
        both.wait(PATIENCE_S)
        with turns:
            order.append("patient")

    with ThreadPoolExecutor(2) as threads:
        for each in (threads.submit(busy), threads.submit(patient)):
            each.result(PATIENCE_S)
    assert order.index("patient") == 1


def test_no_more_than_so_many_at_a_time():
    """Of eight threads three are inside at once, and all get there."""
    turns, lock, inside, most, done = FairSemaphore(3), threading.Lock(), 0, 0, 0

    def work():
        nonlocal inside, most, done
        for _ in range(50):
            with turns:
                with lock:
                    inside += 1
                    most = max(most, inside)
                time.sleep(0.0005)
                with lock:
                    inside -= 1
                    done += 1

    with ThreadPoolExecutor(8) as threads:
        for each in [threads.submit(work) for _ in range(8)]:
            each.result(PATIENCE_S)
    assert (most, done, inside) == (3, 400, 0)


def test_an_error_inside_gives_the_turn_away():
    """The next one comes in."""
    turns = FairSemaphore(1)
    for _ in range(3):
        with pytest.raises(ValueError, match="inside"), turns:
            raise ValueError("inside")


def test_a_model_of_one_lane_is_asked_by_one_thread_only():
    """A compiled one, beside others that take all lanes: its recovery is tried in a thread of its own."""
    inside = most = 0

    own, of_all = FairSemaphore(1), FairSemaphore(4)

    def encode():
        nonlocal inside, most
        with in_turn(own, of_all):
            inside += 1
            most = max(most, inside)
            time.sleep(0.01)
            inside -= 1

    with ThreadPoolExecutor(4) as threads:
        for each in [threads.submit(encode) for _ in range(8)]:
            each.result(PATIENCE_S)
    assert most == 1
