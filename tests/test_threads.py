"""Threads of which the first free one works."""

import threading
from concurrent.futures import CancelledError, wait

import pytest

from service.threads import FirstFree

PATIENCE_S = 30


def name():
    return threading.current_thread().name


@pytest.fixture
def threads():
    pool = FirstFree(3, "work")
    yield pool
    pool.shutdown()


def held(pool, count):
    """`count` calls that run until the event is set; gives their futures and the event."""
    opened, entered = threading.Event(), threading.Semaphore(0)

    def call():
        entered.release()
        assert opened.wait(PATIENCE_S)
        return name()

    futures = [pool.submit(call) for _ in range(count)]
    for _ in range(min(count, 3)):
        assert entered.acquire(timeout=PATIENCE_S)
    return futures, opened


def test_one_call_after_another_meets_the_same_thread(threads):
    """However long the pool has been there."""
    assert {threads.submit(name).result(PATIENCE_S) for _ in range(20)} == {"work-0_0"}


def test_calls_run_side_by_side_and_the_rest_wait_in_one_line(threads):
    """Three threads take three calls; whichever is free first takes the next."""
    futures, opened = held(threads, 3)
    later = threads.submit(name)
    assert not later.done()
    opened.set()
    assert {future.result(PATIENCE_S) for future in futures} == {"work-0_0", "work-1_0", "work-2_0"}
    assert later.result(PATIENCE_S).startswith("work-")


def test_a_call_that_raises_tells_its_caller_only(threads):
    """The error comes out of its future, and the thread goes on."""

    def fail():
        raise SystemExit("not from here")

    with pytest.raises(SystemExit, match="not from here"):
        threads.submit(fail).result(PATIENCE_S)
    assert threads.submit(pow, 2, exp=5).result(PATIENCE_S) == 32


def test_cancelled_calls_are_left_out(threads):
    """What waits can be cancelled, what runs cannot."""
    futures, opened = held(threads, 3)
    ran = []
    later = [threads.submit(ran.append, number) for number in range(4)]
    assert later[1].cancel()
    assert not futures[0].cancel()
    opened.set()
    wait([later[0], *later[2:], *futures], PATIENCE_S)
    assert sorted(ran) == [0, 2, 3]


def test_shutdown_cancels_the_line_where_asked(threads):
    """What runs is let go on; nothing is left unsettled."""
    futures, opened = held(threads, 3)
    later = threads.submit(name)
    threads.shutdown(wait=False, cancel_futures=True)
    with pytest.raises(CancelledError):
        later.result(PATIENCE_S)
    opened.set()
    assert len({future.result(PATIENCE_S) for future in futures}) == 3


def test_shutdown_does_what_waits_where_not():
    """Every call that was taken is done."""
    pool = FirstFree(1, "work")
    futures = [pool.submit(pow, number, 2) for number in range(50)]
    pool.shutdown()
    assert [future.result(0) for future in futures] == [number**2 for number in range(50)]


def test_threads_begin_with_what_they_are_told():
    """Once each, before their first call."""
    begun = threading.local()
    pool = FirstFree(2, "work", lambda: setattr(begun, "here", True))
    assert all(pool.submit(getattr, begun, "here").result(PATIENCE_S) for _ in range(3))
    pool.shutdown()


def test_after_shutdown_nothing_is_taken():
    """As with the standard library's executors."""
    pool = FirstFree(1, "work")
    pool.shutdown()
    with pytest.raises(RuntimeError, match="shutdown"):
        pool.submit(name)
