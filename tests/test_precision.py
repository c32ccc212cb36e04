"""Encoders in fewer bits: what they keep of the vectors, and what is refused."""

import weakref

import numpy as np
import pytest
import torch
from torch import nn

import models
from models.errors import ParameterError
from models.footprint import needed_bytes
from models.instructions import processor_has
from models.precision import PACKED, fit, precisions, resolve
from models.precision_attention import TILE, by_products, fused
from models.precision_layers import MANY_ROWS, Bf16Linear, Int8Linear, Linear
from models.small.assemble import TAKES
from service.settings import Settings
from tests import reference_weights
from tests.test_small import ordinary

KEPT = {"bf16": 0.999, "int8": 0.995}
COARSE = [name for name in KEPT if name in precisions()]
PACKING = [name for name, (_, needed) in PACKED.items() if processor_has(*needed)]
needs_int8 = pytest.mark.skipif("int8" not in precisions(), reason="this processor has no VNNI")
IMAGEBIND = ("text", "image", "audio", "depth", "thermal", "imu")


@pytest.fixture(scope="module")
def small():
    """The bundled model in every precision of this machine."""
    return {name: models.load("sensorium-small", precision=name) for name in precisions()}


@pytest.fixture(scope="module")
def nano(tmp_path_factory):
    """The reduced ImageBind in every precision of this machine."""
    path = reference_weights.save("nano", tmp_path_factory.mktemp("weights") / "nano.pth")
    return {name: models.load("imagebind-nano", weights=path, precision=name) for name in precisions()}


def cosines(rows, others):
    return (rows * others).sum(1)


@pytest.mark.parametrize("precision", COARSE)
@pytest.mark.parametrize("modality", TAKES)
def test_the_bundled_model_keeps_its_vectors(small, modality, precision):
    """Every modality of sensorium-small in fewer bits against fp32."""
    samples = [ordinary(modality, seed) for seed in range(6)]
    fine, coarse = (small[name].embed(modality, samples) for name in ("fp32", precision))
    assert cosines(fine, coarse).min() >= KEPT[precision]
    assert not np.array_equal(fine, coarse)


@pytest.mark.parametrize("precision", COARSE)
@pytest.mark.parametrize("modality", IMAGEBIND)
def test_imagebind_keeps_its_vectors(nano, modality, precision):
    """Every modality of the reduced ImageBind in fewer bits against fp32."""
    samples = [models.MODALITIES[modality].sample(), ordinary(modality, 3)]
    fine, coarse = (nano[name].embed(modality, samples) for name in ("fp32", precision))
    assert cosines(fine, coarse).min() >= KEPT[precision]
    assert not np.array_equal(fine, coarse)


@needs_int8
@pytest.mark.parametrize("modality", IMAGEBIND)
def test_int8_does_not_look_at_neighbours(nano, modality):
    """The scale of a sample's activations is its own: alone as in a batch with a very different one."""
    samples = [ordinary(modality, seed) for seed in (0, 5)]
    together = nano["int8"].embed(modality, samples)
    alone = np.concatenate([nano["int8"].embed(modality, [sample]) for sample in samples])
    assert cosines(together, alone).min() >= 0.9999


@needs_int8
@pytest.mark.parametrize("uneven", [False, True])
def test_int8_products_are_near_exact_ones(uneven):
    """A linear layer with 8-bit weights, with GELU and without, of inputs with an offset and of zeros."""
    torch.manual_seed(0)
    exact = Linear(96, 64, uneven=uneven)
    coarse = Int8Linear(exact)
    for inputs in (torch.randn(3, 7, 96) + 0.5, torch.randn(2, 96) - 3):
        for gelu in (False, True):
            expected, got = exact(inputs, gelu=gelu), coarse(inputs, gelu=gelu)
            assert got.shape == expected.shape
            assert (got - expected).abs().max() < 0.02 * expected.abs().max()
    assert torch.allclose(coarse(torch.zeros(2, 5, 96)), exact.bias.expand(2, 5, 64), atol=1e-6)


@needs_int8
@pytest.mark.parametrize("rows", [4, 2 * MANY_ROWS])
def test_an_outlier_spoils_no_other_row(rows):
    """Behind a GELU a row has a scale of its own, so a row a hundred times larger leaves it exact."""
    torch.manual_seed(0)
    exact, inputs = Linear(96, 64, uneven=True), torch.randn(1, rows, 96)
    inputs[0, 2] *= 100
    error = (Int8Linear(exact)(inputs) - exact(inputs)).abs()[0, [0, 1, 3]].max()
    assert error < 0.02


@needs_int8
@pytest.mark.parametrize("gelu", [False, True])
def test_few_rows_have_a_scale_each(gelu):
    """Those of a long item share one, which a large row makes coarse for all."""
    torch.manual_seed(0)
    exact, error = Linear(96, 64), {}
    quantised = Int8Linear(exact)
    for rows in (MANY_ROWS - 1, MANY_ROWS):
        inputs = torch.randn(2, rows, 96)
        inputs[:, 2] *= 100
        difference = quantised(inputs, gelu=gelu) - exact(inputs, gelu=gelu)
        error[rows] = difference[:, 3:].abs().max()
    assert error[MANY_ROWS - 1] < 0.03 < error[MANY_ROWS]


@needs_int8
def test_rows_use_all_levels_between_their_ends():
    """Behind a GELU nearly everything is positive: the steps are half of those of a range around zero."""
    torch.manual_seed(0)
    exact, inputs = Linear(96, 64, uneven=True), torch.nn.functional.gelu(torch.randn(50, 96))
    wanted = exact(inputs)
    weight = exact.weight.detach()
    scale = weight.abs().amax(1, keepdim=True) / 127
    only_weight = inputs @ ((weight / scale).round() * scale).T + exact.bias
    step = (inputs.amax(1) - inputs.amin(1)) / 255
    # Errors of rounding are even within half a step, and a product adds up 96 of them.
    allowed = (step**2 / 12).mean().sqrt() * weight.norm(dim=1).mean()
    got = Int8Linear(exact)(inputs)
    assert (got - only_weight).pow(2).mean().sqrt() < 1.2 * allowed
    assert torch.nn.functional.cosine_similarity(got, wanted, dim=-1).min() > 0.9998


@pytest.mark.skipif(resolve("auto") != "bf16", reason="this processor does not multiply bf16")
def test_bf16_products_are_near_exact_ones():
    """A packed linear layer, with GELU and without."""
    torch.manual_seed(0)
    exact, inputs = Linear(96, 64), torch.randn(3, 7, 96)
    for gelu in (False, True):
        got = Bf16Linear(exact)(inputs.bfloat16(), gelu=gelu).float()
        assert (got - exact(inputs, gelu=gelu)).abs().max() < 0.02


@pytest.mark.parametrize("precision", PACKING)
def test_layers_are_packed_one_by_one(precision):
    """When a layer's turn comes, those before it are gone: a model is never there twice."""
    encoder = nn.Sequential(*(nn.Sequential(Linear(32, 32), nn.ReLU()) for _ in range(4)))
    layers = [weakref.ref(part) for part in encoder.modules() if isinstance(part, Linear)]
    alive: list[int] = []

    def fill(_path: str, part: nn.Module) -> None:
        if isinstance(part, Linear):
            alive.append(sum(layer() is not None for layer in layers))

    fit(encoder, precision, fill=fill)
    assert alive == [4, 3, 2, 1]


def test_identity_does_not_depend_on_precision(small):
    """Vectors of all precisions may meet in a collection."""
    assert len({each.identity for each in small.values()}) == 1
    assert {name: each.precision for name, each in small.items()} == {name: name for name in small}


def test_auto_names_what_it_chose():
    """A loaded model says which precision it has."""
    embedder = models.load("sensorium-small", modalities=["imu"], precision="auto")
    assert embedder.precision == resolve("auto") in precisions()


@pytest.mark.parametrize("wrong", ["fp7", "fp16", ""])
def test_what_cannot_be_had_is_refused(wrong):
    """The message lists what this machine's processor has."""
    with pytest.raises(ParameterError, match=rf"{wrong!r}.*accepted are fp32, bf16.*auto"):
        models.load("sensorium-small", precision=wrong)


def test_int8_cannot_be_compiled():
    """The two settings exclude each other, or int8 is refused already."""
    with pytest.raises(ParameterError, match="accepted"):
        models.load("sensorium-small", precision="int8", compiled=True)


def test_threads_are_set_once_at_loading():
    """For the whole process; left alone where nothing is said."""
    before = torch.get_num_threads()
    try:
        models.load("sensorium-small", modalities=["imu"], threads=1)
        models.load("sensorium-small", modalities=["imu"])
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_more_threads_than_processors_have_are_refused():
    """A hundred thousand would neither serve nor end."""
    assert Settings(threads=512).threads == 512
    with pytest.raises(ValueError, match="less than or equal to 512"):
        Settings(threads=100_000)


def test_fewer_bits_need_less_memory():
    """What a server asks for before it loads."""
    needed = [needed_bytes("imagebind-huge", precision=name) for name in ("fp32", "bf16")]
    assert needed[0] == 2 * needed[1]


@pytest.mark.parametrize("kernel", [by_products, fused])
@pytest.mark.parametrize("extra", [False, True])
def test_attention_of_16_bits_is_near_the_exact_one(extra, kernel):
    """Softmax over keys that share a large offset, with the extra key and without; alone as among others."""
    torch.manual_seed(0)
    qkv, more = torch.randn(3, 21, 96), (torch.randn(1, 32), torch.randn(1, 32)) if extra else None
    qkv[..., 32:64] += 20
    given = qkv.bfloat16()
    exact = fused(given.float(), 4, more)
    got = kernel(given, 4, more)
    assert torch.nn.functional.cosine_similarity(got.float(), exact, dim=-1).min() > 0.9995
    assert torch.equal(kernel(given[1:2], 4, more), got[1:2])


@pytest.mark.parametrize("tokens", [15, 16, 21])
@pytest.mark.parametrize("masked", [False, True])
def test_keys_that_fill_up_a_tile_are_not_seen(tokens, masked):
    """With the extra key or the mask: what comes out is what comes out without them."""
    torch.manual_seed(0)
    qkv, extra = torch.randn(2, tokens, 24), (torch.randn(1, 8), torch.randn(1, 8))
    rest = (None, torch.full((tokens, tokens), -torch.inf).triu(1)) if masked else (extra, None)
    torch.testing.assert_close(fused(qkv, 2, *rest, TILE), fused(qkv, 2, *rest), atol=1e-6, rtol=0)


def test_attention_is_a_softmax_of_products():
    """Written out in float64: the extra key and value, the mask, and a token that sees itself alone."""
    torch.manual_seed(0)
    qkv, extra = torch.randn(2, 5, 24), (torch.randn(1, 8), torch.randn(1, 8))
    mask = torch.full((5, 5), -torch.inf).triu(1)
    for more, hidden in ((extra, None), (None, mask)):
        q, k, v = qkv.double().chunk(3, -1)
        if more is not None:
            k, v = (
                torch.cat([x, one.double().expand(2, 1, 8)], 1) for x, one in zip((k, v), more, strict=True)
            )
        q, k, v = (x.unflatten(-1, (2, 4)).transpose(1, 2) for x in (q, k, v))
        logits = q @ k.mT / 4**0.5 + (0.0 if hidden is None else hidden)
        wanted = (logits.exp() / logits.exp().sum(-1, keepdim=True) @ v).transpose(1, 2).flatten(2)
        torch.testing.assert_close(fused(qkv, 2, more, hidden).double(), wanted, atol=1e-5, rtol=0)
    assert torch.allclose(fused(qkv, 2, None, mask)[:, 0], qkv[:, 0, 16:])
