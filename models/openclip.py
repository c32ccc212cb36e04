"""Any two-tower model of open_clip, with that model's own transform and tokenizer, for text and image."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from PIL import Image
from torch import nn

from models.assembly import Assembly
from models.causal import up_to_ends
from models.clip_bpe import READ_AT_MOST, Words
from models.embedder import Tower, Views
from models.errors import MediaError, UnknownModelError, WeightsError
from models.oblong import shortened
from models.prepare import Takes, prepare_by_kind
from models.samples import ImageSample, TextSample, UInt8, VideoSample
from models.weights import digest_of, identity_of

RANDOM = "none"
VIDEO_FRAMES = 5  # evenly spaced over a video
NAMED = 5  # accepted names that a message lists


class ImageEncoder(nn.Module):
    """Pictures (n, 3, side, side) -> (n, dim), before normalisation."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.model.encode_image(pictures)
        return features


def is_causal(model: Any) -> bool:
    """Whether a text is read at its end token and no token sees what comes after it, as in CLIP itself."""
    ends = getattr(model, "text_pool_type", None) in {"argmax", "eos"}
    return isinstance(model, open_clip.CLIP) and ends and model.attn_mask is not None


class TextEncoder(nn.Module):
    """Token ids int64 (n, context) -> (n, dim), before normalisation."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.causal = is_causal(model)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        if self.causal:
            return up_to_ends(tokens, self.ends(tokens), self.read)
        features: torch.Tensor = self.model.encode_text(tokens)
        return features

    def ends(self, tokens: torch.Tensor) -> torch.Tensor:
        marked = tokens if self.model.text_pool_type == "argmax" else (tokens == self.model.text_eos_id).int()
        return marked.argmax(-1)

    def read(self, tokens: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
        """As `encode_text` of open_clip/model.py, of rows (n, length) shorter than the context or not."""
        model, length = self.model, tokens.shape[1]
        dtype = model.transformer.get_cast_dtype()
        x = model.token_embedding(tokens).to(dtype) + model.positional_embedding[:length].to(dtype)
        x = model.ln_final(model.transformer(x, attn_mask=model.attn_mask[:length, :length]))
        out: torch.Tensor = x[torch.arange(len(x), device=x.device), ends]
        head = model.text_projection
        if head is not None:
            out = head(out) if isinstance(head, nn.Linear) else out @ head
        return out


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _expect_known(arch: str, tag: str, weights: Path | None) -> None:
    architectures = open_clip.list_models()
    if arch not in architectures:
        near = [
            known for known in architectures if known.lower().startswith(arch.lower()[:3])
        ] or architectures
        raise UnknownModelError(f"open_clip has no architecture {arch!r}; accepted are {_listed(near)}")
    tags = [RANDOM, *open_clip.list_pretrained_tags_by_model(arch)]
    if weights is None and tag not in tags:
        raise UnknownModelError(f"open_clip has no weights {tag!r} for {arch}; accepted are {_listed(tags)}")
    if weights is not None and not weights.is_file():
        raise WeightsError(f"there is no file {weights}; accepted is a state dict that open_clip reads")


def _create(arch: str, tag: str, weights: Path | None, cache: Path) -> tuple[Any, Any]:
    """Model and evaluation transform. Random weights depend on the name alone."""
    source = str(weights) if weights is not None else (None if tag == RANDOM else tag)
    seed = int.from_bytes(hashlib.sha256(arch.encode()).digest()[:8], "little") >> 1
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model, _, transform = open_clip.create_model_and_transforms(
                arch, source, cache_dir=str(cache), pretrained_text=False
            )
    except Exception as error:  # files, networks and architectures fail in their own ways
        raise WeightsError(f"open_clip could not load {arch} with {source or RANDOM}: {error}") from error
    return model, transform


def _picture(pixels: UInt8, transform: Any) -> torch.Tensor:
    """One view (1, 3, side, side)."""
    view: torch.Tensor = transform(Image.fromarray(shortened(pixels)))
    return view[None]


def _image(sample: ImageSample, transform: Any) -> Views:
    return Views(_picture(sample.pixels, transform))


def _video(sample: VideoSample, transform: Any) -> Views:
    places = np.linspace(0, sample.frame_count - 1, VIDEO_FRAMES).round().astype(int)
    numbers = sorted(set(places.tolist()))
    return Views(torch.cat([_picture(frame, transform) for frame in sample.each(numbers)]))


def _pictures(transform: Any) -> Takes:
    return {
        ImageSample: partial(_image, transform=transform),
        VideoSample: partial(_video, transform=transform),
    }


def _row(ids: Sequence[int], tokenizer: Any) -> tuple[torch.Tensor, bool]:
    """Token ids as int64 (1, context) with start, end and padding; and whether they had to be cut."""
    body, context = [tokenizer.sot_token_id, *ids, tokenizer.eot_token_id], tokenizer.context_length
    cut = len(body) > context
    if cut:
        body = [*body[: context - 1], tokenizer.eot_token_id]
    return torch.tensor([body + [0] * (context - len(body))]), cut


def _given(tokens: Sequence[int], tokenizer: Any) -> list[int]:
    """Token ids of the caller without the start and the end that may stand around them."""
    wrong = [token for token in tokens if not 0 <= token < tokenizer.vocab_size]
    if wrong:
        raise MediaError(
            f"token id {wrong[0]} is not in the vocabulary; accepted are 0 to {tokenizer.vocab_size - 1}"
        )
    ids = list(tokens[1:] if tokens[:1] == (tokenizer.sot_token_id,) else tokens)
    return ids[: ids.index(tokenizer.eot_token_id)] if tokenizer.eot_token_id in ids else ids


def _byte_pairs(sample: TextSample, tokenizer: Any) -> Views:
    """With CLIP's own tokenizer, which most architectures have."""
    if sample.text is None:
        ids = _given(sample.tokens or (), tokenizer)
    else:
        ids = tokenizer.encode(sample.text[:READ_AT_MOST])
    row, cut = _row(ids, tokenizer)
    context = tokenizer.context_length
    cut = cut or len(sample.text or "") > READ_AT_MOST
    return Views(row, (f"text cut to {context} tokens",) if cut else (), min(len(ids) + 2, context))


def _other_text(sample: TextSample, tokenizer: Any) -> Views:
    """With a tokenizer of another family, which does not say what it cuts."""
    if sample.text is None:
        raise MediaError("this model takes texts, not token ids")
    tokens = tokenizer([sample.text[:READ_AT_MOST]])
    return Views(tokens, tokens=int((tokens != 0).sum()))


def _texts(arch: str, cache: Path) -> Takes:
    try:
        tokenizer = open_clip.get_tokenizer(arch, cache_dir=str(cache))
    except Exception as error:  # tokenizers of other families are downloaded
        raise WeightsError(f"open_clip could not load the tokenizer of {arch}: {error}") from error
    plain = isinstance(tokenizer, open_clip.SimpleTokenizer) and tokenizer.reduction_fn is None
    if not plain:
        return {TextSample: partial(_other_text, tokenizer=tokenizer)}
    tokenizer.cache = Words(tokenizer.cache)
    return {TextSample: partial(_byte_pairs, tokenizer=tokenizer)}


def assemble(name: str, weights: Path | None, modalities: Sequence[str], cache: Path) -> Assembly:
    """`name`: ARCH/TAG. Weights come from a path, from open_clip's loader, or by chance where TAG is none.

    Raises UnknownModelError and WeightsError.
    """
    arch, _, tag = name.partition("/")
    _expect_known(arch, tag, weights)
    model, transform = _create(arch, tag, weights, cache)
    scale = float(model.logit_scale.detach().exp())
    towers = {}
    if "text" in modalities:
        towers["text"] = Tower(prepare_by_kind("text", _texts(arch, cache)), TextEncoder(model), scale)
    if "image" in modalities:
        towers["image"] = Tower(prepare_by_kind("image", _pictures(transform)), ImageEncoder(model), 1.0)
    digests = {key: digest_of(tensor) for key, tensor in model.state_dict().items()}
    preprocessing = json.dumps(
        [arch, getattr(model.visual, "preprocess_cfg", {})], sort_keys=True, default=str
    )
    return Assembly(
        open_clip.get_model_config(arch)["embed_dim"], towers, identity_of(preprocessing, digests)
    )
