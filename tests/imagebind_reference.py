"""What the reference ImageBind gave for the inputs in tests/parity, and its tolerances."""

from __future__ import annotations

import json

import numpy as np

from tests.reference_weights import PARITY

UNIT_TOLERANCE = 3e-6  # of a unit vector; the smallest mistake tried moves it by 7.4e-6
LOG_MEL_TOLERANCE = 1e-3  # standardised log-mel; float32 differs from float64 by up to 3.2e-4

outputs = np.load(PARITY / "nano_outputs.npz")
intermediates = np.load(PARITY / "nano_intermediates.npz")
inputs = np.load(PARITY / "inputs_procedural.npz")
video = np.load(PARITY / "inputs_video.npz")
sampling = json.loads((PARITY / "sampling_cases.json").read_text())
texts = json.loads((PARITY / "texts.json").read_text())


def unit(rows):
    """Rows scaled to length 1."""
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def distance(ours, reference):
    """Largest difference of two arrays of the same shape."""
    assert ours.shape == reference.shape
    return float(np.abs(ours - reference).max())


def still_twice(pixels):
    """Pictures (n, 3, 224, 224) -> what the image tower takes, (n, 3, 2, 224, 224)."""
    return np.stack([pixels, pixels], axis=2)
