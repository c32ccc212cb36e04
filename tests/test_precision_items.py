"""Items that go through a stack one at a time, on threads of their own."""

from collections import Counter

import pytest
import torch
from torch import nn

from models.imagebind.sizes import SIZES
from models.imagebind.towers import build
from models.precision import fit, precisions
from models.precision_items import ItemByItem, Stack


class Noting(nn.Module):
    """Adds `more` and notes for each item torch's threads and whether it is in inference mode."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, x, more):
        self.seen.append((torch.get_num_threads(), torch.is_inference_mode_enabled()))
        assert len(x) == 1
        return x + more


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
    parts = [Noting(), Noting()]
    with torch.inference_mode():
        got = ItemByItem(Stack(parts))(torch.arange(4.0 * count).view(count, 4), torch.ones(()))
    assert torch.equal(got, torch.arange(4.0 * count).view(count, 4) + 2)
    for part in parts:
        assert Counter(each for each, _ in part.seen) == threads
        assert all(inference for _, inference in part.seen)
    assert torch.get_num_threads() == 4


@pytest.mark.usefixtures("four_threads")
def test_an_error_of_one_item_is_raised():
    """It reaches the caller from whichever thread it arose in."""

    class Refusing(nn.Module):
        def forward(self, x):
            if x.max() > 5:
                raise ValueError("too large")
            return x

    stack = ItemByItem(Stack([Refusing()]))
    assert torch.equal(stack(torch.ones(5, 2)), torch.ones(5, 2))
    with pytest.raises(ValueError, match="too large"):
        stack(torch.arange(8.0)[:, None])


@pytest.mark.skipif("int8" not in precisions(), reason="this processor has no VNNI")
def test_fitting_twice_changes_nothing():
    """A stack is wrapped once, and gives what it gave."""
    encoder = build("imu", SIZES["nano"]).to_empty(device="cpu")
    for tensor in encoder.state_dict().values():
        tensor.normal_(0, 0.1) if tensor.ndim else tensor.fill_(1.0)
    fit(encoder, "int8")
    stack, given = encoder.blocks, torch.randn(2, 6, 2000)
    assert isinstance(stack, ItemByItem)
    before = encoder(given)
    fit(encoder, "int8")
    assert encoder.blocks is stack
    assert type(stack.stack) is Stack
    assert torch.equal(encoder(given), before)
