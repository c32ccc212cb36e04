"""Image and text of ImageBind have the structure of open_clip's ViT-H-14: same weights, same vectors."""

import json

import numpy as np
import open_clip
import pytest
import torch
from torch import nn

from models.imagebind.keys import published_keys, published_shapes
from models.imagebind.sizes import SIZES
from models.imagebind.towers import build
from tests import reference_weights
from tests.imagebind_reference import distance, inputs, still_twice
from tests.reference_weights import PARITY

# [our published key, open_clip's key, how the array changes]
MAPPING = json.loads((PARITY / "openclip_vit_h_14_mapping.json").read_text())
TOLERANCE = 3e-6
MOVED = {
    "same": lambda array, _: array,
    "reshape": lambda array, shape: array.reshape(shape),
    "transpose": lambda array, _: array.T,
    "frames": lambda array, _: array.sum(2),  # a still's two frames are equal, so the kernels add up
}


@pytest.fixture(scope="module")
def state():
    return reference_weights.state_dict("nano")


@pytest.fixture(scope="module")
def clip(state):
    """open_clip's own towers at the reduced size, with ImageBind's weights and norms."""
    model = open_clip.CLIP(
        32,
        {"image_size": 224, "layers": 2, "width": 64, "head_width": 16, "patch_size": 14},
        {"context_length": 77, "vocab_size": 49_408, "width": 64, "heads": 4, "layers": 2},
    )
    shapes = {key: tensor.shape for key, tensor in model.state_dict().items()}
    moved = {
        theirs: MOVED[how](state[ours], shapes[theirs]) for ours, theirs, how in MAPPING if ours in state
    }
    model.load_state_dict(moved)
    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = 1e-6
    return model.eval().requires_grad_(False)


def unit_rows(modality, state, tensors):
    encoder = build(modality, SIZES["nano"])
    names = published_keys(modality, encoder)
    encoder.load_state_dict({own: state[name] for own, name in names.items()}, assign=True)
    return nn.functional.normalize(encoder.eval().requires_grad_(False)(tensors), dim=-1).numpy()


def test_the_mapping_covers_both_towers_of_the_published_size():
    """Every key of image and text but the causal mask, each once."""
    ours = {key for key in published_shapes(SIZES["huge"]) if key.split(".")[1] in ("vision", "text")}
    assert {row[0] for row in MAPPING} == ours - {"modality_preprocessors.text.mask"}
    assert len({row[1] for row in MAPPING}) == len(MAPPING) == 686


def test_images_agree(clip, state):
    """Three stills through open_clip's image tower and through ours."""
    pixels = inputs["image/loaded"]
    theirs = clip.encode_image(torch.from_numpy(pixels), normalize=True).numpy()
    assert distance(unit_rows("image", state, torch.from_numpy(still_twice(pixels))), theirs) < TOLERANCE


def test_texts_agree(clip, state):
    """Fifty texts through both."""
    tokens = torch.from_numpy(np.ascontiguousarray(inputs["text/tokens"]))
    theirs = clip.encode_text(tokens, normalize=True).numpy()
    assert distance(unit_rows("text", state, tokens), theirs) < TOLERANCE
