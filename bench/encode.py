"""ImageBind-huge's encoders in every precision, image and text beside open_clip's ViT-H-14 in fp32.

    python -m bench.encode [--blocks N] [--batches 1,8] [--precisions fp32,bf16,int8]
                           [--modalities image,text] [--models huge,small] [--threads N] [--rounds N]
                           [--tokens N]

Random weights for the one, the bundled ones for sensorium-small. `--blocks N`: the first N blocks of each
trunk, 0 for all. `--tokens N`: of each text of the huge structure, start and end included; by default all 77,
which open_clip reads of any text, and we only of those that have as many. All precisions and the peer are
timed in turns, so that noise hits them alike.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import open_clip
import torch
from torch import nn

import models
from bench.matmul import rates
from bench.pairs import Turns, in_turns
from models.clip_bpe import CONTEXT, END, START
from models.imagebind.sizes import SIZES, Sizes, Trunk
from models.imagebind.towers import Encoder, build
from models.modalities import MODALITIES
from models.precision import dtype_of, fit, precisions

BLOCKS = 2
BATCH = 8
SEED = 0
PEER = "open_clip"
# What the encoders of the huge structure take: shape of one item.
SHAPES: Mapping[str, tuple[int, ...]] = {
    "image": (3, 2, 224, 224),
    "text": (CONTEXT,),
    "audio": (1, 128, 204),
    "depth": (1, 224, 224),
    "thermal": (1, 224, 224),
    "imu": (6, 2000),
}


def shortened(modality: str, blocks: int) -> Sizes:
    """The published sizes with the first `blocks` blocks of a trunk, 0 for all."""
    huge = SIZES["huge"]
    trunk = huge.trunks[modality]
    return replace(huge, trunks={modality: replace(trunk, blocks=blocks or trunk.blocks)})


def encoder(modality: str, blocks: int = BLOCKS) -> Encoder:
    """Ours, with small random weights that depend on nothing but the modality and the depth."""
    made = build(modality, shortened(modality, blocks)).to_empty(device="cpu").eval()
    random = torch.Generator().manual_seed(SEED)
    for name, tensor in made.state_dict().items():
        if name == "mask":
            tensor.fill_(-torch.inf).triu_(1)
        elif tensor.ndim:
            tensor.normal_(1.0 if "norm" in name and name.endswith("weight") else 0.0, 0.02, generator=random)
        else:
            tensor.fill_(1.0)
    return made


def open_clip_model(blocks: int = BLOCKS) -> open_clip.CLIP:
    """The public tower of the same structure, in fp32."""
    config = open_clip.get_model_config("ViT-H-14")
    if blocks:
        config["vision_cfg"] |= {"layers": blocks}
        config["text_cfg"] |= {"layers": blocks}
    return open_clip.CLIP(**config).eval()


def inferred(call: Callable[[torch.Tensor], torch.Tensor], batch: torch.Tensor) -> Callable[[], torch.Tensor]:
    """`call` of one batch, without gradients."""
    return torch.inference_mode()(lambda: call(batch))


def texts(count: int, tokens: int, random: torch.Generator) -> torch.Tensor:
    """Rows of CLIP's tokens (count, 77) whose end token is the last of `tokens`."""
    rows = torch.zeros(count, CONTEXT, dtype=torch.long)
    rows[:, :tokens] = torch.randint(1, START, (count, tokens), generator=random)
    rows[:, 0], rows[:, tokens - 1] = START, END
    return rows


def batch_of(modality: str, count: int, tokens: int = CONTEXT) -> torch.Tensor:
    """Random items (count, *shape); stills are shown twice, as `prepare` does."""
    random = torch.Generator().manual_seed(SEED)
    if modality == "text":
        return texts(count, tokens, random)
    batch = torch.randn(count, *SHAPES[modality], generator=random)
    return batch[:, :, :1].expand(-1, -1, 2, -1, -1).contiguous() if modality == "image" else batch


def flops(trunk: Trunk, blocks: int, tokens: int) -> float:
    """Operations of one item in the products of a trunk: 24 w^2 per token and block, and attention."""
    depth, width = blocks or trunk.blocks, trunk.width
    return depth * tokens * (24.0 * width**2 + 4.0 * tokens * width)


def cosine(rows: torch.Tensor, others: torch.Tensor) -> float:
    """Of the pair of rows that is least alike."""
    return float(nn.functional.cosine_similarity(rows.float(), others.float(), dim=-1).min())


@dataclass(frozen=True)
class Plan:
    """What to measure."""

    blocks: int
    batches: tuple[int, ...]
    precisions: tuple[str, ...]
    modalities: tuple[str, ...]
    rounds: int
    tokens: int = CONTEXT


def peer_call(model: open_clip.CLIP | None, modality: str, batch: torch.Tensor) -> Callable[[], torch.Tensor]:
    """open_clip's own forward of the same items."""
    assert model is not None
    if modality == "text":
        return inferred(model.encode_text, batch)
    return inferred(model.encode_image, batch[:, :, 0].contiguous())


def fitted(modality: str, precision: str, blocks: int) -> Encoder:
    made = encoder(modality, blocks)
    fit(made, precision)
    return made


def huge(plan: Plan) -> Iterator[tuple[str, int, Turns, dict[str, float]]]:
    """(modality, batch size, turns, cosine to fp32 per precision); the peer's turns are named PEER."""
    twin = open_clip_model(plan.blocks) if {"image", "text"} & set(plan.modalities) else None
    for modality in plan.modalities:
        made = {name: fitted(modality, name, plan.blocks) for name in plan.precisions}
        for count in plan.batches:
            batch = batch_of(modality, count, plan.tokens)
            calls = {
                name: inferred(each, batch if modality == "text" else batch.to(dtype_of(each, name)))
                for name, each in made.items()
            }
            if modality in {"image", "text"}:
                calls = {PEER: peer_call(twin, modality, batch), **calls}
            yield modality, count, in_turns(calls, plan.rounds), nearness(calls)


def nearness(calls: Mapping[str, Callable[[], torch.Tensor]]) -> dict[str, float]:
    """Cosine to fp32 of each precision, where fp32 is among them."""
    if "fp32" not in calls:
        return {}
    exact = calls["fp32"]()
    return {name: cosine(call(), exact) for name, call in calls.items() if name not in {PEER, "fp32"}}


def small(plan: Plan) -> Iterator[tuple[str, int, Turns, dict[str, float]]]:
    """The same of sensorium-small, encode without prepare; batches count views."""
    made = {name: models.load("sensorium-small", precision=name) for name in plan.precisions}
    for modality in plan.modalities:
        view = made[plan.precisions[0]].prepare(modality, MODALITIES[modality].sample()).tensor[:1]
        for count in plan.batches:
            items = [models.Views(view)] * count
            calls = {
                name: (lambda each=each: torch.from_numpy(each.encode(modality, items)))  # noqa: B023 - called in this round
                for name, each in made.items()
            }
            yield modality, count, in_turns(calls, plan.rounds), nearness(calls)


def line(modality: str, count: int, turns: Turns, kept: Mapping[str, float]) -> str:
    """Seconds per batch of each, times faster than the peer (or fp32) in the same rounds, cosine to fp32."""
    yardstick = PEER if PEER in turns.rounds else next(iter(turns.rounds))
    cells = []
    for name in turns.rounds:
        speed = "" if name == yardstick else f" {turns.speedup(name, yardstick):5.2f} x"
        near = f" cos {kept[name]:.5f}" if name in kept else ""
        cells.append(f"{name} {turns.median(name):8.4f} s{speed}{near}")
    return f"  {modality:<8} batch {count:<3} " + "   ".join(cells)


def reached(plan: Plan, measured: Mapping[str, float], count: int, turns: Turns) -> str:
    """What share of the bare products' rate the image tower reaches, per precision."""
    work = count * flops(SIZES["huge"].trunks["image"], plan.blocks, 257)
    shares = [
        f"{name} {work / turns.best(name) / rate:.0%}"
        for name, rate in measured.items()
        if name in turns.rounds
    ]
    return f"  image tower at batch {count}, share of the products' rate: {', '.join(shares)}"


def report(plan: Plan, wanted: Sequence[str]) -> None:
    print(f"{torch.get_num_threads()} threads, {plan.blocks or 'all'} blocks")
    measured = {name: rate for name, rate in rates(plan.rounds).items() if name in plan.precisions}
    print("products: " + ", ".join(f"{name} {rate / 1e9:.0f} GFLOP/s" for name, rate in measured.items()))
    for name, source in (("huge", huge), ("small", small)):
        if name not in wanted:
            continue
        print(f"{name}: median seconds of a batch, times as fast as the first, cosine to fp32", flush=True)
        for modality, count, turns, kept in source(plan):
            print(line(modality, count, turns, kept), flush=True)
            if name == "huge" and modality == "image":
                print(reached(plan, measured, count, turns), flush=True)


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--blocks", type=int, default=BLOCKS)
    parser.add_argument("--batches", default=f"1,{BATCH}")
    parser.add_argument("--precisions", default=",".join(precisions()))
    parser.add_argument("--modalities", default=",".join(SHAPES))
    parser.add_argument("--models", default="huge,small")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, choices=range(2, CONTEXT + 1), metavar="N", default=CONTEXT)
    given = parser.parse_args(words)
    if given.threads:
        torch.set_num_threads(given.threads)
    plan = Plan(
        given.blocks,
        tuple(int(count) for count in given.batches.split(",")),
        tuple(given.precisions.split(",")),
        tuple(given.modalities.split(",")),
        given.rounds,
        given.tokens,
    )
    report(plan, given.models.split(","))


if __name__ == "__main__":
    main(sys.argv[1:])
