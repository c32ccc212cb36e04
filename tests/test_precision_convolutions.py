"""Convolutions with packed weights: the same outputs as the plain ones, in every net that has them."""

import pytest
import torch
from torch import nn

import models
from models.instructions import VECTORS, processor_has
from models.precision_convolutions import Convolution, PackedConvolution, pack_convolutions
from models.small.nets import ConvNet
from models.small.sizes import NETS

pytestmark = pytest.mark.skipif(not processor_has(*VECTORS), reason="this processor has no AVX2")
LAYERS = {
    "a plane": (nn.Conv2d(6, 8, 3, 1, 1), (9, 12)),
    "every second place": (nn.Conv2d(6, 8, 3, 2, 1), (9, 12)),
    "without a bias": (nn.Conv2d(6, 8, 1, 2, bias=False), (9, 12)),
    "a line": (nn.Conv1d(6, 8, 5, 2, 2), (31,)),
}


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("larger", [0, 5])
def test_a_packed_layer_gives_what_the_plain_one_gives(layer, relu, larger):
    """With a sum and without, through ReLU and not, at the size it was packed for and at another."""
    torch.manual_seed(0)
    conv, places = LAYERS[layer]
    plain = Convolution(conv, places=places)
    with torch.inference_mode():
        packed = PackedConvolution(plain)
        x = torch.randn(3, 6, *(side + larger for side in places))
        expected = plain(x, relu=relu)
        got = packed(x, relu=relu)
        assert torch.allclose(got.view_as(expected), expected, atol=1e-5)
        plus = torch.randn_like(got)
        expected = plain(x, plus=plus.view_as(expected).clone(), relu=relu)
        assert torch.allclose(packed(x, plus=plus, relu=relu).view_as(expected), expected, atol=1e-5)


@pytest.mark.parametrize("modality", NETS)
def test_the_bundled_nets_are_packed_whole(modality):
    """No plain convolution is left in a loaded net, and it leaves its input as it was."""
    encoder = models.load("sensorium-small", modalities=[modality]).towers[modality].encoder
    kinds = [type(part) for part in encoder.modules()]
    assert PackedConvolution in kinds
    assert not {Convolution, nn.Conv1d, nn.Conv2d} & set(kinds)
    x = torch.randn(2, NETS[modality].channels, *NETS[modality].places)
    before = x.clone()
    with torch.inference_mode():
        encoder(x)
    assert torch.equal(x, before)


@pytest.mark.parametrize("modality", NETS)
def test_every_layer_is_packed_for_the_size_that_it_gets(modality):
    """`places` is the true size of a layer's input: at another the kernel may be fifty times slower."""
    net, seen = ConvNet(NETS[modality], folded=True).eval(), []
    for part in net.modules():
        if isinstance(part, Convolution):
            part.register_forward_hook(lambda layer, given, _: seen.append((layer, given[0].shape[2:])))
    net(torch.randn(1, NETS[modality].channels, *NETS[modality].places))
    assert seen
    assert all(layer.places == tuple(size) for layer, size in seen)


def test_sizes_are_those_of_the_prepared_samples():
    """What `prepare` makes has the places that the nets are packed for."""
    small = models.load("sensorium-small")
    for modality, sizes in NETS.items():
        views = small.prepare(modality, models.MODALITIES[modality].sample()).tensor
        assert tuple(views.shape[1:]) == (sizes.channels, *sizes.places)


def test_nets_in_training_are_left_as_they_are():
    """Batch norms beside convolutions are no part of a packed layer."""
    net = ConvNet(NETS["depth"])
    before = [type(part) for part in net.modules()]
    pack_convolutions(net)
    assert [type(part) for part in net.modules()] == before
