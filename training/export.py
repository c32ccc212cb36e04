"""Joins the trained towers into one file: norms folded, fp16, with facts in the metadata.

`python -m training.export --data DIR --out DIR --weights FILE`
"""

# ruff: noqa: S311 - draws training material, no secrets
from __future__ import annotations

import argparse
import json
import random
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from models.embedder import Embedder, Tower
from models.prepare import prepare_by_kind
from models.samples import TextSample
from models.small.assemble import FACTS, TAKES
from models.small.nets import ConvNet
from models.small.sizes import DIM, NETS, NetSizes
from training.align import finished
from training.background import Cloud, background_of, named_in
from training.index import Item, read_index, split_of
from training.material import samples_of
from training.names import DIGITS, sentences
from training.phrases import captions
from training.text import load_text

LIMIT_BYTES = 40_000_000
# Text is centred before anything is trained against it. Of the others only audio gains by a second
# centring; images lose what tells their names apart (Caltech-101 .48 -> .28).
CENTRED = ("audio",)
# Share of its centring that text keeps. All of it serves searches best (text to image mAP .01 better), none
# of it keeps nearest to the teacher (cosine .965); half loses little of either (.942).
TEXT_CENTRED = 0.5
SEEN = 3000  # training items that means and background are measured on


def folded(tower: ConvNet, sizes: NetSizes) -> ConvNet:
    """The tower with every batch norm inside the convolution before it: same outputs, fewer steps.

    w' = w g / sqrt(v + eps),  b' = beta - m g / sqrt(v + eps)
    """
    shipped = ConvNet(sizes, folded=True)
    state: dict[str, torch.Tensor] = {}
    layers = [(name, module) for name, module in tower.named_modules() if _is_layer(module)]
    for name, layer in layers:
        conv, norm = layer[0], layer[1]
        weight, bias = fuse_conv_bn_weights(
            conv.weight, None, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
        )
        state |= {f"{name}.0.weight": weight, f"{name}.0.bias": bias}
    state |= {f"head.{key}": value for key, value in tower.head.state_dict().items()}
    shipped.load_state_dict(state)
    return shipped.eval()


def _is_layer(module: nn.Module) -> bool:
    norms = (nn.BatchNorm1d, nn.BatchNorm2d)
    return isinstance(module, nn.Sequential) and len(module) == 2 and isinstance(module[1], norms)


def in_use(tower: nn.Module) -> nn.Module:
    """A copy whose layers an Embedder may replace; of a net the head is the same, for `centre`."""
    copied = deepcopy(tower)
    if isinstance(copied, ConvNet) and isinstance(tower, ConvNet):
        copied.head = tower.head
    return copied


def centre(tower: ConvNet, heads: torch.Tensor) -> None:
    """Subtract the mean of the head outputs (n, DIM) of training items: the modality's own offset goes."""
    with torch.no_grad():
        tower.head.bias.sub_(heads.mean(0))


def write(path: Path, towers: Mapping[str, nn.Module], facts: Mapping[str, object]) -> None:
    """fp16 safetensors, keys prefixed by the modality."""
    tensors = {
        f"{name}.{key}": value.half().contiguous()
        for name, tower in towers.items()
        for key, value in tower.state_dict().items()
    }
    save_file(tensors, path, {FACTS: json.dumps(facts)})
    path.chmod(0o644)
    if path.stat().st_size > LIMIT_BYTES:
        raise SystemExit(f"{path} has {path.stat().st_size} bytes, more than {LIMIT_BYTES}")


def scales(out: Path) -> dict[str, float]:
    """The learned s = 1 / temperature of each tower's names; text takes that of image."""
    found = {}
    for name in NETS:
        scales = torch.load(out / f"{name}.pt", map_location="cpu", weights_only=True)["tower"][
            "log_scale"
        ].exp()
        if (out / f"{name}_head.pt").exists():
            scales = torch.load(out / f"{name}_head.pt", weights_only=True)["scales"]
        found[name] = round(float(scales[0]), 2)
    return {"text": found["image"], **found}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder of the checkpoints")
    parser.add_argument("--weights", type=Path, required=True, help="file to write")
    return parser.parse_args()


def drawn(items: list[Item], modality: str, rng: random.Random) -> list[Item]:
    """At most SEEN training items, archives alike often."""
    archives: dict[str, list[Item]] = {}
    for item in split_of(items, modality, "train"):
        archives.setdefault(item.archive, []).append(item)
    each = SEEN // len(archives)
    return [item for found in archives.values() for item in rng.sample(found, min(each, len(found)))]


def join(data: Path, out: Path) -> tuple[dict[str, nn.Module], dict[str, object]]:
    """(towers as shipped, facts for the metadata)."""
    items, rng = read_index(data), random.Random(0)
    nets = {name: folded(finished(out, name), NETS[name]) for name in NETS}
    text = load_text(out)
    text.bias.data.mul_(TEXT_CENTRED)
    towers: dict[str, nn.Module] = {"text": text, **nets}
    scale = scales(out)
    embedder = Embedder(
        "sensorium-small",
        DIM,
        {
            name: Tower(prepare_by_kind(name, TAKES[name]), in_use(tower), scale[name])
            for name, tower in towers.items()
        },
        identity="",
        licence="",
    )
    clouds = {"text": written(embedder, data, items)}
    for name in NETS:
        own = drawn(items, name, rng)
        samples = samples_of(data, own)
        if name in CENTRED:
            centre(nets[name], torch.from_numpy(embedder.embed(name, samples, normalize=False)))
        z = torch.from_numpy(embedder.embed(name, samples))
        clouds[name] = Cloud(z, [item.concept for item in own])
    return towers, {"temperature": scale, "background": background_of(clouds, said(embedder, items))}


def said(embedder: Embedder, items: list[Item]) -> Cloud:
    """The labels of all modalities as sentences, with their concepts."""
    concepts = {(item.modality, item.name): item.concept for item in items if item.modality in NETS}
    texts = [
        (text, shown) for (m, name), shown in concepts.items() if name for text in sentences(m, name)[1:4]
    ]
    z = embedder.embed("text", [TextSample(text) for text, _ in texts])
    return Cloud(torch.from_numpy(z), [shown for _, shown in texts])


def written(embedder: Embedder, data: Path, items: list[Item]) -> Cloud:
    """Captions of training items that name a concept."""
    concepts = {one for item in items for one in item.concept.split("|") if one} - DIGITS
    texts = captions(data)[0]
    texts = random.Random(0).sample(texts, min(10 * SEEN, len(texts)))
    found = list(zip(texts, named_in(texts, sorted(concepts)), strict=True))
    texts = [text for text, shown in found if shown][:SEEN]
    z = embedder.embed("text", [TextSample(text) for text in texts])
    return Cloud(torch.from_numpy(z), [shown for _, shown in found if shown][:SEEN])


def main() -> None:
    chosen = arguments()
    torch.set_num_threads(1)
    write(chosen.weights, *join(chosen.data, chosen.out))


if __name__ == "__main__":
    main()
