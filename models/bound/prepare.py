"""Arrays of bound senses -> views: standardised by the training's statistics, cut or scaled to one size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

import numpy as np
import torch
from torch.nn import functional

from models.bound.form import MAP, SERIES, VECTOR, Form, Scale
from models.embedder import Prepare, Views
from models.prepare import Takes, prepare_by_kind
from models.samples import ArraySample, Float32

WINDOWS = 5  # at most, spread over a long series


def standardised(values: Float32, scale: Scale) -> Float32:
    """(.., channels) -> the same with mean 0 and deviation 1 over the training's files."""
    mean, std = np.array(scale.mean, np.float32), np.array(scale.std, np.float32)
    result: Float32 = (values - mean) / std
    return result


def surprise(values: Float32, scale: Scale) -> tuple[str, ...]:
    """A note where values lie further outside the training's range than that range is wide."""
    low, high = np.array(scale.low), np.array(scale.high)
    span = np.maximum(high - low, np.array(scale.std))
    flat = values.reshape(-1, values.shape[-1])
    if ((flat.max(0) <= high + span) & (flat.min(0) >= low - span)).all():
        return ()
    found = f"{flat.min():g} to {flat.max():g}"
    return (f"values of {found}, in training {low.min():g} to {high.max():g}: are they on the same scale?",)


def _vector(values: Float32, form: Form) -> tuple[torch.Tensor, tuple[str, ...]]:
    """(1, numbers)."""
    return torch.from_numpy(values).reshape(1, form.channels), ()


def _series(values: Float32, form: Form) -> tuple[torch.Tensor, tuple[str, ...]]:
    """(windows, channels, samples): one padded with the mean, or several spread over a longer recording."""
    (window,), length = form.size, len(values)
    short = max(0, window - length)
    padded = np.pad(values, ((short // 2, short - short // 2), (0, 0)))
    count = min(WINDOWS, -(-len(padded) // window))
    starts = np.linspace(0, len(padded) - window, count).round().astype(int)
    views = torch.from_numpy(np.stack([padded[start : start + window].T for start in starts]))
    if count * window >= length:
        return views, ()
    return views, (f"{count} windows of {window} samples used, of {length}",)


def _map(values: Float32, form: Form) -> tuple[torch.Tensor, tuple[str, ...]]:
    """(1, channels, height, width), scaled to the one size of the tower."""
    view = torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))[None]
    if view.shape[2:] == form.size:
        return view, ()
    return functional.interpolate(view, form.size, mode="bilinear", antialias=True), ()


SHAPERS: Mapping[str, Callable[[Float32, Form], tuple[torch.Tensor, tuple[str, ...]]]] = MappingProxyType(
    {VECTOR: _vector, SERIES: _series, MAP: _map}
)


def _prepare(sample: ArraySample, form: Form, scale: Scale) -> Views:
    views, notes = SHAPERS[form.kind](standardised(sample.values, scale), form)
    return Views(views, (*surprise(sample.values, scale), *notes))


def prepare_array(name: str, form: Form, scale: Scale) -> Prepare:
    """`prepare` of a sense of arrays: ArraySample -> views (n, channels, *size)."""
    takes: Takes = {ArraySample: partial(_prepare, form=form, scale=scale)}
    return prepare_by_kind(name, takes)
