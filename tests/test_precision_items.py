"""Items that go through a stack a few at a time, on threads of their own."""

from collections import Counter

import pytest
import torch
from torch import nn

from models.imagebind.sizes import SIZES
from models.imagebind.towers import build
from models.precision import fit
from models.precision_items import WORTH, SideBySide, Stack
from tests.test_precision import PACKING


class Noting(nn.Module):
    """Adds `more`; notes of each group torch's threads, its items and whether it is in inference mode."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, x, more):
        self.seen.append((torch.get_num_threads(), len(x), torch.is_inference_mode_enabled()))
        return x + more


def large_items(count):
    """Each as large as a thread of its own is worth, and all of its numbers its place."""
    return torch.arange(float(count))[:, None].repeat(1, WORTH)


@pytest.fixture
def four_threads():
    """Torch with four threads, as many as there were before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("count", "threads"), [(1, {4: 1}), (3, {1: 3}), (4, {1: 4}), (6, {1: 4, 2: 2}), (9, {1: 8, 4: 1})]
)
@pytest.mark.usefixtures("four_threads")
def test_items_share_the_threads(count, threads):
    """Each of four threads has its own items; of those left over, fewer than threads, each has several."""
    parts, given = [Noting(), Noting()], large_items(count)
    with torch.inference_mode():
        got = SideBySide(Stack(parts), WORTH)(given, torch.ones(()))
    assert torch.equal(got, given + 2)
    for part in parts:
        assert Counter(each for each, _, _ in part.seen) == threads
        assert all(items == 1 and inference for _, items, inference in part.seen)
    assert torch.get_num_threads() == 4


@pytest.mark.parametrize(
    ("together", "groups"), [(WORTH, [1] * 12), (2 * WORTH, [1, 2] * 4), (9 * WORTH, [3] * 4)]
)
@pytest.mark.usefixtures("four_threads")
def test_as_many_items_go_through_a_part_together_as_are_allowed(together, groups):
    """Those of a thread in groups of about the same size, which come out in order."""
    part, given = Noting(), large_items(12)
    assert torch.equal(SideBySide(Stack([part]), together)(given, torch.ones(())), given + 1)
    assert sorted(items for _, items, _ in part.seen) == sorted(groups)


@pytest.mark.usefixtures("four_threads")
def test_small_items_are_not_worth_a_thread_each():
    """All threads together are done with them before another one has woken."""
    part = Noting()
    assert torch.equal(
        SideBySide(Stack([part]), WORTH)(torch.ones(8, 9), torch.ones(())), torch.full((8, 9), 2.0)
    )
    assert [seen[:2] for seen in part.seen] == [(4, 8)]


@pytest.mark.usefixtures("four_threads")
def test_an_error_of_one_item_is_raised():
    """It reaches the caller from whichever thread it arose in."""

    class Refusing(nn.Module):
        def forward(self, x):
            if x.max() > 5:
                raise ValueError("too large")
            return x

    stack = SideBySide(Stack([Refusing()]), WORTH)
    assert torch.equal(stack(large_items(5)), large_items(5))
    with pytest.raises(ValueError, match="too large"):
        stack(large_items(8))


@pytest.mark.parametrize("precision", PACKING)
def test_fitting_twice_changes_nothing(precision):
    """A stack is wrapped once, and gives what it gave."""
    encoder = build("imu", SIZES["nano"]).to_empty(device="cpu")
    for tensor in encoder.state_dict().values():
        tensor.normal_(0, 0.1) if tensor.ndim else tensor.fill_(1.0)
    fit(encoder, precision)
    stack, given = encoder.blocks, torch.randn(2, 6, 2000)
    assert isinstance(stack, SideBySide)
    before = encoder(given)
    fit(encoder, precision)
    assert encoder.blocks is stack
    assert type(stack.stack) is Stack
    assert torch.equal(encoder(given), before)
