"""Recorded nets: the bits of the ones they were recorded from, in every shape, without Python between."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

import models
from models.embedder import Views
from models.instructions import VECTORS, processor_has
from models.precision_convolutions import Convolution, PackedConvolution
from models.precision_layers import PackedLinear
from models.recording import Recordable, record
from models.small.assemble import TAKES, network

TEXTS = ("x", "a dog", "two dogs and a cat that sleep in the garden", "ein Hund", "word " * 100)


def unrecorded(net):
    """Run the net's own method in place of the recording."""
    vars(net).pop("forward")
    return net


def inputs(small, modality):
    """Batches of several sizes, texts of several lengths."""
    if modality == "text":
        views = [small.prepare("text", small.decode("text", text.encode())) for text in TEXTS]
        return [views[:1], views[1:2], views[:2], views[2:], views]
    view = small.prepare(modality, models.MODALITIES[modality].sample()).tensor[:1]
    random = torch.Generator().manual_seed(0)
    noise = [Views(view + torch.randn(view.shape, generator=random)) for _ in range(33)]
    return [noise[:1], noise[:2], noise[:5], noise]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("modality", TAKES)
def test_a_recording_gives_the_same_bits(modality, precision):
    """In batches and lengths other than those it was recorded with."""
    small = models.load("sensorium-small", modalities=[modality], precision=precision)
    batches = inputs(small, modality)
    got = [small.encode(modality, batch) for batch in batches]
    unrecorded(small.towers[modality].encoder)
    for batch, rows in zip(batches, got, strict=True):
        assert (small.encode(modality, batch) == rows).all()


@pytest.mark.skipif(not processor_has(*VECTORS), reason="this processor has no packed layers")
@pytest.mark.parametrize("modality", TAKES)
def test_no_layer_runs_in_python(modality, monkeypatch):
    """What Python would have to do for each layer would wait for its lock."""
    small = models.load("sensorium-small", modalities=[modality])
    batch = inputs(small, modality)[0]
    used = []
    for kind in (PackedLinear, PackedConvolution, nn.LayerNorm, nn.Linear, Convolution):
        monkeypatch.setattr(kind, "forward", lambda *_, kind=kind, **__: used.append(kind))
    small.encode(modality, batch)
    assert used == []
    unrecorded(small.towers[modality].encoder)
    with pytest.raises((AttributeError, TypeError)):
        small.encode(modality, batch)
    assert used


def test_threads_share_a_recording():
    """Batches of different sizes side by side, as in the lanes of a server."""
    small = models.load("sensorium-small", modalities=["image", "text"])
    work = [(name, batch) for name in ("image", "text") for batch in inputs(small, name)] * 5
    alone = [small.encode(*each) for each in work]
    with ThreadPoolExecutor(4) as threads:
        beside = list(threads.map(lambda each: small.encode(*each), work))
    for one, other in zip(alone, beside, strict=True):
        assert abs(one - other).max() < 1e-6


class Broken(Recordable):
    """Works, but cannot be recorded."""

    def example(self, _):
        return (object(),)

    def forward(self, x):
        return 2 * x


def test_a_net_that_cannot_be_recorded_is_left_as_it_is(caplog):
    """It is merely slower, and the log says so."""
    net = Broken()
    record(net, torch.float32)
    assert net(torch.ones(1)) == 2
    assert "could not be recorded" in caplog.text


def test_recording_happens_once_and_to_what_asks_for_it():
    """A second call keeps the first recording; other nets know nothing of it."""
    net = network("depth").eval().requires_grad_(False)
    record(net, torch.float32)
    first = net.forward
    record(net, torch.float32)
    assert net.forward is first
    plain = nn.Linear(2, 2)
    record(plain, torch.float32)
    assert "forward" not in vars(plain)


def test_a_torch_without_onednn_needs_no_kernels():
    """Its operations are not even there; nothing is packed, and the models load."""
    program = (
        "import torch; torch._C._has_mkldnn = False\n"
        "import models, models.packed_kernels as kernels\n"
        "assert not isinstance(kernels.linear, torch.jit.ScriptFunction)\n"
        "small = models.load('sensorium-small', modalities=['text'])\n"
        "print(small.embed('text', [small.decode('text', b'a dog')]).shape)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "(1, 384)\n", done.stderr
