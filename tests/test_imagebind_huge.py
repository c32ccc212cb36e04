"""The published size gives the reference's outputs; minutes and gigabytes, so only when asked for."""

import os

import numpy as np
import pytest
import torch

from models.imagebind.keys import published_keys
from models.imagebind.sizes import SIZES
from models.imagebind.towers import build
from tests import reference_weights
from tests.imagebind_reference import distance, inputs, texts, unit
from tests.reference_weights import PARITY

SWITCH = "SENSORIUM_SLOW_TESTS"
TOLERANCE = 1e-5
reference = np.load(PARITY / "huge_outputs_part.npz")
CASES = {
    "text/12_texts": inputs["text/tokens"][texts["huge_text_rows"]],
    "depth/procedural": inputs["depth/input"],
    "imu/procedural": inputs["imu/input"],
}


@pytest.mark.skipif(os.environ.get(SWITCH) != "1", reason=f"set {SWITCH}=1 to build 1.6 GB of weights")
@pytest.mark.parametrize("case", CASES)
def test_unit_vectors_equal_the_reference(case):
    """Text, depth and IMU at full size."""
    modality = case.split("/")[0]
    encoder = build(modality, SIZES["huge"])
    state = {key: torch.from_numpy(values) for key, values in reference_weights.arrays("huge", (modality,))}
    names = published_keys(modality, encoder)
    encoder.load_state_dict({own: state[name] for own, name in names.items()}, assign=True)
    with torch.inference_mode():
        heads = encoder.eval()(torch.from_numpy(CASES[case])).numpy()
    assert distance(unit(heads), unit(reference[f"{case}/embedding"])) < TOLERANCE
    assert distance(unit(heads), unit(reference[f"{case}/embedding_fp64"])) < TOLERANCE
