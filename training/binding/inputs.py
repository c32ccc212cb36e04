"""Items -> the tower's inputs: statistics of the training files, sizes, prepared views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from models.bound.form import ARRAYS, MAP, SERIES, VECTOR, Form, NetSizes, Scale
from models.bound.prepare import prepare_array
from models.embedder import Prepare
from models.errors import BindingError
from models.prepare import prepare_by_kind
from models.samples import ArraySample, Float32
from models.small.assemble import TAKES
from training.binding.pairs import Pairs

LONGEST_WINDOW = 2048  # samples of a series that go in together, unless the user says otherwise
LONGEST_SIDE = 96  # pixels of a map, unless the user says otherwise
SHORTEST_SIDE = 8
MLP_FROM = 1000  # items to train with; a linear adapter does better with fewer
HIDDEN = 512
WIDTHS = {1: (64, 128, 256), 2: (32, 64, 128)}
FLATTEST = 1e-6  # a channel that never changes is not blown up


@dataclass(frozen=True)
class Inputs:
    """`views` (all views, *shape) of all items; item i has `count[i]` of them from `first[i]` on."""

    views: torch.Tensor
    first: torch.Tensor
    count: torch.Tensor

    def of(self, item: int) -> torch.Tensor:
        """(views, *shape) of one item."""
        start = int(self.first[item])
        return self.views[start : start + int(self.count[item])]


def _values(pairs: Pairs, chosen: Sequence[int]) -> list[Float32]:
    samples = [pairs.items[i].sample for i in chosen]
    return [sample.values for sample in samples if isinstance(sample, ArraySample)]


def scale_of(form: Form, pairs: Pairs) -> Scale:
    """Statistics over the training files; of a lender's views, which are standardised already, none."""
    if form.kind not in ARRAYS:
        return Scale((), (), (), ())
    channels = [each.reshape(-1, form.channels).astype(np.float64) for each in _values(pairs, pairs.train)]
    count = sum(len(each) for each in channels)
    mean = np.stack([each.sum(0) for each in channels]).sum(0) / count
    variance = np.stack([np.square(each - mean).sum(0) for each in channels]).sum(0) / count
    std = np.sqrt(variance)
    low = np.stack([each.min(0) for each in channels]).min(0)
    high = np.stack([each.max(0) for each in channels]).max(0)
    std = np.where(std > FLATTEST * np.maximum(np.abs(mean), 1), std, 1.0)
    rows = [tuple(row.astype(np.float32).tolist()) for row in (mean, std, low, high)]
    return Scale(*rows)


def _side(length: float, factor: float) -> int:
    return max(SHORTEST_SIDE, round(length * factor))


def size_of(form: Form, pairs: Pairs, wanted: int | None) -> tuple[int, ...]:
    """The size of a view: that of the middle training file, cut to what is handled well or `wanted`."""
    if form.kind == VECTOR:
        return ()
    middle = np.median([each.shape[:-1] for each in _values(pairs, pairs.train)], 0)
    if form.kind == SERIES:
        return (wanted or min(LONGEST_WINDOW, max(1, round(middle[0]))),)
    factor = (wanted or min(LONGEST_SIDE, middle.max())) / middle.max()
    return _side(middle[0], factor), _side(middle[1], factor)


def _prepare(name: str, form: Form, scale: Scale) -> Prepare:
    if form.kind in ARRAYS:
        return prepare_array(name, form, scale)
    return prepare_by_kind(name, TAKES[form.kind])


def inputs_of(name: str, form: Form, pairs: Pairs, size: int | None) -> tuple[Inputs, Form, Scale]:
    """Prepared views of all items, with the form and the statistics that they were made by.

    Raises BindingError for a `size` that the kind has no use for.
    """
    if size is not None and (form.kind not in (SERIES, MAP) or size < 1):
        raise BindingError(
            f"--size is for series (samples) and maps (pixels), not for files of kind {form.kind}"
        )
    scale = scale_of(form, pairs)
    if form.kind in ARRAYS:
        form = replace(form, size=size_of(form, pairs, size))
    prepare = _prepare(name, form, scale)
    views = [prepare(item.sample).tensor for item in pairs.items]
    if form.kind not in ARRAYS:
        form = replace(form, channels=views[0].shape[1], size=tuple(views[0].shape[2:]))
    count = torch.tensor([len(each) for each in views])
    return Inputs(torch.cat(views), count.cumsum(0) - count, count), form, scale


def net_of(form: Form, chosen: str | None, trained: int) -> NetSizes:
    """The net for a form: what the user chose, else by the shape of the files and how many there are."""
    if form.kind != VECTOR:
        return NetSizes("convolution", WIDTHS[len(form.size)])
    adapter = chosen or ("mlp" if trained >= MLP_FROM else "linear")
    return NetSizes(adapter, (HIDDEN,) if adapter == "mlp" else ())
