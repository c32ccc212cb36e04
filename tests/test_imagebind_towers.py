"""ImageBind's encoders give the reference's numbers, stage by stage, from the reference's tensors."""

import hashlib
import math

import numpy as np
import pytest
import torch
from torch import nn

from models.imagebind.keys import published_keys, published_shapes
from models.imagebind.sizes import SIZES
from models.imagebind.towers import build, temperature
from tests import reference_weights
from tests.imagebind_reference import (
    UNIT_TOLERANCE,
    distance,
    inputs,
    intermediates,
    outputs,
    still_twice,
    unit,
)

NAMES = {"image": "vision"}  # ours -> the reference's, where they differ
TENSORS = {
    "text/50_texts": ("text", inputs["text/tokens"]),
    "text/special": ("text", inputs["text/tokens_special"]),
    "vision/procedural": ("image", still_twice(inputs["image/loaded"])),
    "audio/procedural": ("audio", inputs["audio/loaded"].reshape(12, 1, 128, 204)),
    "depth/procedural": ("depth", inputs["depth/input"]),
    "thermal/procedural": ("thermal", inputs["thermal/input"]),
    "imu/procedural": ("imu", inputs["imu/input"]),
}
FIRST_ITEM = {
    "text": inputs["text/tokens"][6:7],
    "image": still_twice(inputs["image/loaded"])[:1],
    "audio": inputs["audio/loaded"][0, :1],
    "depth": inputs["depth/input"][:1],
    "thermal": inputs["thermal/input"][:1],
    "imu": inputs["imu/input"][:1],
}


@pytest.fixture(scope="module")
def encoders():
    state = reference_weights.state_dict("nano")
    made = {modality: build(modality, SIZES["nano"]) for modality in SIZES["nano"].trunks}
    for modality, encoder in made.items():
        names = published_keys(modality, encoder)
        encoder.load_state_dict({own: state[name] for own, name in names.items()}, assign=True)
        encoder.eval().requires_grad_(False)
    return made


def watched(encoder, inputs_of_encoder):
    """The outputs of every submodule of an encoder, by name, for one forward pass."""
    seen = {}
    hooks = [
        module.register_forward_hook(lambda _module, _args, out, name=name: seen.update({name: out}))
        for name, module in encoder.named_modules()
    ]
    seen["head"] = encoder(torch.from_numpy(inputs_of_encoder))
    for hook in hooks:
        hook.remove()
    return seen


def test_the_weight_rule_draws_the_published_numbers():
    """The stand-in weights are those that the reference was measured with."""
    whole = hashlib.sha256()
    for key, values in reference_weights.arrays("nano"):
        whole.update(key.encode() + values.tobytes())
    assert whole.hexdigest().startswith("0a424051")
    class_token = reference_weights.array("modality_preprocessors.vision.cls_token", (1, 1, 1280))
    assert hashlib.sha256(class_token.tobytes()).hexdigest().startswith("ab2b9afc9113f8db")


@pytest.mark.parametrize("size", SIZES)
def test_names_and_shapes_are_the_published_ones(size):
    """Every entry of the published state dict has its place in our encoders, and none is left over."""
    assert published_shapes(SIZES[size]) == dict(reference_weights.manifest(size))


@pytest.mark.parametrize("name", TENSORS)
def test_unit_vectors_equal_the_reference(encoders, name):
    """Every tensor set through its encoder, in one batch."""
    modality, tensors = TENSORS[name]
    heads = encoders[modality](torch.from_numpy(tensors)).numpy()
    assert distance(heads, outputs[f"{name}/head"].reshape(heads.shape)) < 1e-5
    normalised = outputs[f"{name}/normalised"].reshape(heads.shape)
    assert distance(unit(heads), normalised) < UNIT_TOLERANCE


@pytest.mark.parametrize("name", TENSORS)
def test_unit_vectors_equal_the_reference_in_double_precision(encoders, name):
    """The reference's float64 run is no farther away than rounding explains."""
    modality, tensors = TENSORS[name]
    heads = unit(encoders[modality](torch.from_numpy(tensors)).numpy())
    reference = outputs[f"{name}/embedding_fp64"]
    ours = heads.reshape(len(reference), -1, heads.shape[-1]).mean(1)
    scale = np.abs(reference).max() / np.abs(ours).max()
    assert distance(ours * scale, reference) / scale < UNIT_TOLERANCE


@pytest.mark.parametrize("modality", FIRST_ITEM)
def test_every_stage_equals_the_reference(encoders, modality):
    """Projection, norms, attention and MLP of each block, trunk and head of one item, as far as read."""
    seen = watched(encoders[modality], FIRST_ITEM[modality])
    stages = {"stem": "stem", "block0_attention": "blocks.0.attn", "block0_mlp": "blocks.0.mlp"}
    stages |= {"block1_attention": "blocks.1.attn", "block1_mlp": "blocks.1.mlp"}
    stages |= {"block0": "blocks.0", "trunk": "blocks.1", "head": "head"}
    name = NAMES.get(modality, modality)
    for stage, module in stages.items():
        reference = intermediates[f"{name}/{stage}"]
        if modality == "text" and stage != "head":
            reference = reference[:, : seen[module].shape[1]]
        ours = seen[module].numpy().reshape(reference.shape)
        assert distance(ours, reference) < 2e-5, stage


@pytest.mark.parametrize("modality", ["audio", "depth", "thermal", "imu"])
def test_the_projection_before_the_stem_norm_equals_the_reference(encoders, modality):
    """Patches and windows are cut and ordered as the reference cuts them."""
    projected = watched(encoders[modality], FIRST_ITEM[modality])["stem.projection"]
    rows = projected if modality == "imu" else projected.flatten(2).transpose(1, 2)
    assert distance(rows.numpy(), intermediates[f"{modality}/stem_before_norm"]) < 1e-5


@pytest.mark.parametrize("modality", ["image", "audio", "depth", "thermal", "imu"])
def test_the_class_token_comes_first_and_has_a_position(encoders, modality):
    """What enters the trunk is class token and patches, all with positions."""
    tokens = encoders[modality].embed(torch.from_numpy(FIRST_ITEM[modality])).numpy()
    assert distance(tokens, intermediates[f"{NAMES.get(modality, modality)}/tokens"]) < 1e-5


@pytest.mark.parametrize("modality", SIZES["huge"].trunks)
def test_norms_have_the_published_epsilon(modality):
    """1e-6 in trunks and heads (too small to see in a head's output), 1e-5 after a stem."""
    norms = [
        item for item in build(modality, SIZES["huge"]).named_modules() if isinstance(item[1], nn.LayerNorm)
    ]
    assert len(norms) > 2 * SIZES["huge"].trunks[modality].blocks
    for name, norm in norms:
        assert norm.eps == (1e-5 if name == "stem.norm" else 1e-6), name


def test_temperatures_are_the_checkpoints(encoders):
    """Text learned 1/0.07, image has none, the others stand in the state dict."""
    expected = {"text": 1 / 0.07, "image": 1, "audio": 20, "depth": 5, "thermal": 10, "imu": 5}
    assert {name: temperature(encoder) for name, encoder in encoders.items()} == pytest.approx(expected)
    scaled = outputs["thermal/procedural/scaled"] / outputs["thermal/procedural/normalised"]
    assert temperature(encoders["thermal"]) == pytest.approx(float(scaled.mean()))


def test_the_temperature_is_clipped_at_100(encoders):
    """A text encoder trained to exp(5) is used at 100, as the reference does."""
    encoder = build("text", SIZES["nano"])
    encoder.log_scale = nn.Parameter(torch.tensor(5.0))
    assert math.exp(5) > temperature(encoder) == 100


def test_a_still_equals_a_clip_of_the_same_frame(encoders):
    """The reference repeats a clip of one frame; our prepare shows a still twice."""
    crop = torch.from_numpy(np.ascontiguousarray(inputs["image/loaded"][:1]))
    twice = crop[:, :, None].expand(-1, -1, 2, -1, -1)
    heads = unit(encoders["image"](twice).numpy())
    assert distance(heads, outputs["vision/procedural/embedding"][:1]) < UNIT_TOLERANCE
