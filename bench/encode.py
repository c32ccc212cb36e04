"""ImageBind-huge's image and text encoders against open_clip's ViT-H-14, which has the same structure.

Random weights; the first BLOCKS blocks of each trunk, so that it fits a laptop; fp32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import open_clip
import torch

from bench.pairs import Comparison, compare
from models.imagebind.sizes import SIZES, Sizes
from models.imagebind.towers import Encoder, build

BLOCKS = 4
BATCH = 4


def shortened(modality: str) -> Sizes:
    huge = SIZES["huge"]
    return replace(huge, trunks={modality: replace(huge.trunks[modality], blocks=BLOCKS)})


def encoder(modality: str) -> Encoder:
    """Ours, with small random weights."""
    made = build(modality, shortened(modality)).to_empty(device="cpu").eval()
    for tensor in (*made.parameters(), *made.buffers()):
        tensor.data.normal_(std=0.02) if tensor.ndim else tensor.data.fill_(1.0)
    return made


def open_clip_model() -> open_clip.CLIP:
    config = open_clip.get_model_config("ViT-H-14")
    config["vision_cfg"] |= {"layers": BLOCKS}
    config["text_cfg"] |= {"layers": BLOCKS}
    return open_clip.CLIP(**config).eval()


def inferred(call: Callable[[torch.Tensor], torch.Tensor], batch: torch.Tensor) -> Callable[[], torch.Tensor]:
    return torch.inference_mode()(lambda: call(batch))


def comparisons() -> Iterator[Comparison]:
    peer = open_clip_model()
    pixels = torch.randn(BATCH, 3, 224, 224)
    clips = pixels[:, :, None].expand(-1, -1, 2, -1, -1)
    name = f"open_clip ViT-H-14, {BLOCKS} blocks"
    ours = inferred(encoder("image"), clips)
    yield compare(f"image, {BLOCKS} blocks, batch {BATCH}", ours, name, inferred(peer.encode_image, pixels))
    tokens = torch.randint(1, 49_000, (BATCH, 77))
    ours = inferred(encoder("text"), tokens)
    yield compare(f"text, {BLOCKS} blocks, batch {BATCH}", ours, name, inferred(peer.encode_text, tokens))
