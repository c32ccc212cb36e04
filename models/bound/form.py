"""What the files of a bound sense look like, and what its tower is made of."""

from __future__ import annotations

from dataclasses import dataclass

VECTOR, SERIES, MAP = "vector", "series", "map"
ARRAYS = (VECTOR, SERIES, MAP)
# Senses whose files and views a new sense may take over.
LENDERS = ("image", "audio", "depth", "thermal", "imu")
KINDS = (*ARRAYS, *LENDERS)
AXES = {VECTOR: "(numbers,)", SERIES: "(samples, channels)", MAP: "(height, width, channels)"}


@dataclass(frozen=True)
class Form:
    """`kind`: one of KINDS. `channels`: numbers of a vector, channels of a series, a map or a lender's views.

    `size`: what a view has beside its channels: () of a vector, (samples,) of a series' window, (height,
    width) of a map. `columns`: the names of a series' channels where its CSV files have a header.
    """

    kind: str
    channels: int
    size: tuple[int, ...] = ()
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class NetSizes:
    """`kind`: linear, mlp or convolution; `widths`: of the hidden layer, or of the stages."""

    kind: str
    widths: tuple[int, ...] = ()


@dataclass(frozen=True)
class Scale:
    """Per channel: `mean` and `std` that values are standardised by, `low` and `high` seen in training."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
