"""Who is let in: by number, by expected wait, and by a few batches where an overload lasts."""

import pytest

from service.admission import Admission
from service.errors import OverloadedError
from service.pace import Calm, Pace, retry_after_s


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def measured(clock, *, encode=None, decode=None, batch_views=4, threads=1):
    """A pace that has seen one item of each modality given."""
    pace = Pace(batch_views, threads, clock)
    for modality, seconds in (encode or {}).items():
        with pace.encoding(modality, 1, lambda: 1):
            clock.now += seconds
    for modality, seconds in (decode or {}).items():
        with pace.decoding(modality):
            clock.now += seconds
    return pace


def test_the_expected_wait_is_that_of_the_slower_of_decoding_and_encoding():
    """Eight texts of 0.5 s; 8 pictures that take 0.1 s to encode and, by two threads, 3 s each to decode."""
    clock = Clock()
    assert measured(clock, encode={"text": 0.5}).wait_s("text", {"text": 8}) == pytest.approx(4)
    both = measured(clock, encode={"image": 0.1}, decode={"image": 3.0}, threads=2)
    assert both.wait_s("image", {"image": 8}) == pytest.approx(12)


def test_queues_take_turns_so_a_long_one_does_not_count_whole_for_another():
    """One text behind a hundred pictures waits for one batch of pictures, and they for the text."""
    pace = measured(Clock(), encode={"text": 0.1, "image": 1.0})
    waiting = {"text": 1, "image": 100}
    assert pace.wait_s("text", waiting) == pytest.approx(0.1 + 4 * 1.0)
    assert pace.wait_s("image", waiting) == pytest.approx(0.1 + 100 * 1.0)


def test_what_still_runs_counts_with_its_age():
    """The first video has been decoding for 30 s: the next ones are expected to take no less."""
    clock = Clock()
    pace = Pace(4, 1, clock)
    with pace.decoding("video"):
        clock.now += 30
        assert pace.wait_s("video", {"video": 2}) == pytest.approx(60)


def test_one_that_is_stuck_does_not_speak_for_all():
    """Texts usually take a millisecond: one that hangs for 30 s keeps its own thread busy,
    not 600 others; where every thread hangs, they will take as long."""
    clock = Clock()
    pace = measured(clock, decode={"text": 0.001}, threads=2)
    with pace.decoding("text"):
        clock.now += 30
        assert pace.wait_s("text", {"text": 600}) == pytest.approx((600 * 0.001 + 30) / 2, abs=0.01)
        with pace.decoding("text"):
            clock.now += 2
            assert pace.wait_s("text", {"text": 600}) == pytest.approx((600 * 2 + 30) / 2, abs=0.01)


def test_who_would_wait_too_long_is_told_when_to_come_back():
    """Ten inputs of 2 s wait, 12 s are allowed: refused for 8 s; another modality is let in."""
    clock = Clock()
    admission = Admission(measured(clock, encode={"video": 2.0}), queue_limit=100, max_wait_s=12)
    with admission.room({"video": 10}):
        with pytest.raises(OverloadedError, match=r"10 video inputs wait, which takes 20\.0 s") as refused:
            admission.room({"video": 1}).__enter__()
        assert refused.value.retry_after_s == 8
        with admission.room({"text": 5}):
            pass


def test_a_burst_may_fill_the_queue_but_an_overload_that_lasts_may_not():
    """Sixty of a hundred at once are welcome; once they have stood for a while, 10 are as many as may."""
    clock = Clock()
    pace = measured(clock, encode={"text": 0.001})
    admission = Admission(pace, queue_limit=100)
    admission._calm = Calm(pace, clock)
    with admission.room({"text": 30}), admission.room({"text": 30}):
        with admission.room({"text": 1}):
            clock.now += 0.2
        clock.now += 0.2
        with pytest.raises(OverloadedError, match="at most 10 may while the overload lasts"):
            admission.room({"text": 1}).__enter__()
    with admission.room({"text": 30}), admission.room({"text": 30}):
        clock.now += 0.2


def test_a_burst_of_slow_inputs_may_not_fill_the_queue():
    """Where thirty take 15 s, no more than a few batches come in, however quiet it was before."""
    admission = Admission(measured(Clock(), encode={"text": 0.5}), queue_limit=100)
    with admission.room({"text": 1}), admission.room({"text": 29}), pytest.raises(OverloadedError):
        admission.room({"text": 1}).__enter__()


def test_large_requests_do_not_let_the_encoder_starve():
    """While a lone large request is served, the next one may get ready."""
    clock = Clock()
    pace = measured(clock, encode={"text": 0.001})
    admission = Admission(pace, queue_limit=1000)
    admission._calm = Calm(pace, clock)
    with admission.room({"text": 256}):
        clock.now += 5
        with admission.room({"text": 256}), pytest.raises(OverloadedError):
            admission.room({"text": 1}).__enter__()


@pytest.mark.parametrize(("wait_s", "told"), [(0, 1), (0.2, 1), (1.2, 2), (4000, 60)])
def test_retry_after_is_whole_seconds_within_reason(wait_s, told):
    """1 to 60."""
    assert retry_after_s(wait_s) == told
