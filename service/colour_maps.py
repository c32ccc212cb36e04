"""Perceptual colour maps: uint8 (256, 3), from the least value to the largest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

Table = npt.NDArray[np.uint8]
STEPS = 256

# Polynomials fitted to matplotlib's maps (CC0): Matt Zucker, Shadertoy WlfXRN. Rows: powers, columns: RGB.
VIRIDIS = (
    (0.27772733, 0.00540734, 0.33409981),
    (0.10509304, 1.40461353, 1.38459016),
    (-0.33086183, 0.21484756, 0.09509516),
    (-4.63423050, -5.79910097, -19.33244096),
    (6.22826994, 14.17993337, 56.69055260),
    (4.77638500, -13.74514538, -65.35303263),
    (-5.43545586, 4.64585261, 26.31243525),
)
INFERNO = (
    (0.00021894, 0.00165100, -0.01948090),
    (0.10651342, 0.56395644, 3.93271239),
    (11.60249308, -3.97285397, -15.94239411),
    (-41.70399613, 17.43639888, 44.35414520),
    (77.16293570, -33.40235894, -81.80730926),
    (-71.31942824, 32.62606426, 73.20951986),
    (25.13112622, -12.24266895, -23.07032500),
)
# Points of seaborn's mako (BSD), straight lines between them.
MAKO = ("0b0405", "2b1c35", "3e356b", "3b5698", "3482a4", "38aaac", "60ceac", "def5e5")


def polynomial(coefficients: Sequence[Sequence[float]]) -> Table:
    powers = np.linspace(0, 1, STEPS)[:, None] ** np.arange(len(coefficients))
    colours: Table = np.round(np.clip(powers @ np.array(coefficients), 0, 1) * 255).astype(np.uint8)
    return colours


def between(points: Sequence[str]) -> Table:
    colours = np.array([list(bytes.fromhex(each)) for each in points], float)
    places, at = np.linspace(0, 1, len(points)), np.linspace(0, 1, STEPS)
    columns = [np.interp(at, places, colours[:, channel]) for channel in range(3)]
    return np.round(np.stack(columns, axis=1)).astype(np.uint8)


COLOUR_MAPS: Mapping[str, Table] = MappingProxyType(
    {"viridis": polynomial(VIRIDIS), "inferno": polynomial(INFERNO), "mako": between(MAKO)}
)
