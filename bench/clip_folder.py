"""A CLIP model of open_clip as a folder of transformers, so that other servers can hold the same weights."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import open_clip
import torch
from safetensors.torch import save_file

MERGES = 49_152 - 256 - 2  # of CLIP's byte pairs, as its tokenizer reads them
# open_clip's name of a layer's parts -> transformers'
PARTS = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
# What lies around the layers.
AROUND = {
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "ln_final.weight": "text_model.final_layer_norm.weight",
    "ln_final.bias": "text_model.final_layer_norm.bias",
    "logit_scale": "logit_scale",
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "visual.ln_pre.weight": "vision_model.pre_layrnorm.weight",
    "visual.ln_pre.bias": "vision_model.pre_layrnorm.bias",
    "visual.ln_post.weight": "vision_model.post_layernorm.weight",
    "visual.ln_post.bias": "vision_model.post_layernorm.bias",
}
# Stored the other way round there.
TURNED = {"text_projection": "text_projection.weight", "visual.proj": "visual_projection.weight"}


def renamed(name: str, tensor: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
    """One of open_clip's tensors under transformers' names (modeling_clip.py); the fused one is three."""
    if name in AROUND or name in TURNED:
        yield (AROUND[name], tensor) if name in AROUND else (TURNED[name], tensor.T)
        return
    tower = "vision_model" if name.startswith("visual.") else "text_model"
    number, _, part = name.partition("resblocks.")[2].partition(".")
    layer = f"{tower}.encoder.layers.{number}"
    if part.startswith("attn.in_proj_"):
        kind = part.removeprefix("attn.in_proj_")
        for which, third in zip("qkv", tensor.chunk(3), strict=True):
            yield f"{layer}.self_attn.{which}_proj.{kind}", third
        return
    before, _, kind = part.rpartition(".")
    yield f"{layer}.{PARTS[before]}.{kind}", tensor


def config_of(arch: str) -> dict[str, object]:
    """The configuration in transformers of an architecture whose GELU is OpenAI's quick one."""
    facts = open_clip.get_model_config(arch)
    text, vision = facts["text_cfg"], facts["vision_cfg"]
    return {
        "architectures": ["CLIPModel"],
        "model_type": "clip",
        "projection_dim": facts["embed_dim"],
        "text_config": {
            "hidden_size": text["width"],
            "intermediate_size": 4 * text["width"],
            "num_attention_heads": text["heads"],
            "num_hidden_layers": text["layers"],
            "hidden_act": "quick_gelu",
            "projection_dim": facts["embed_dim"],
            "bos_token_id": 49406,
            "eos_token_id": 49407,
        },
        "vision_config": {
            "hidden_size": vision["width"],
            "intermediate_size": 4 * vision["width"],
            "num_attention_heads": vision["width"] // 64,
            "num_hidden_layers": vision["layers"],
            "hidden_act": "quick_gelu",
            "image_size": vision["image_size"],
            "patch_size": vision["patch_size"],
            "projection_dim": facts["embed_dim"],
        },
    }


def preprocessor_of(size: int) -> dict[str, object]:
    """What open_clip does to a picture, in the words of CLIPImageProcessor."""
    return {
        "image_processor_type": "CLIPImageProcessor",
        "do_resize": True,
        "size": {"shortest_edge": size},
        "resample": 3,
        "do_center_crop": True,
        "crop_size": {"height": size, "width": size},
        "do_rescale": True,
        "do_normalize": True,
        "do_convert_rgb": True,
        "image_mean": open_clip.OPENAI_DATASET_MEAN,
        "image_std": open_clip.OPENAI_DATASET_STD,
    }


def write_tokenizer(folder: Path) -> None:
    """CLIP's byte pairs, from the file that comes with open_clip."""
    packed = Path(open_clip.__file__).with_name("bpe_simple_vocab_16e6.txt.gz").read_bytes()
    merges = gzip.decompress(packed).decode().split("\n")[1 : MERGES + 1]
    words = open_clip.SimpleTokenizer().encoder
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n")
    (folder / "vocab.json").write_text(json.dumps(words))
    special = {"bos_token": "<start_of_text>", "eos_token": "<end_of_text>"}
    special |= {"unk_token": "<end_of_text>", "pad_token": "<end_of_text>"}
    (folder / "special_tokens_map.json").write_text(json.dumps(special))
    kind = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, **special}
    (folder / "tokenizer_config.json").write_text(json.dumps(kind))


def write(folder: Path, arch: str, model: torch.nn.Module) -> None:
    """`model`, of open_clip's architecture `arch`, as a folder that `CLIPModel.from_pretrained` reads."""
    state = dict(pair for name, tensor in model.state_dict().items() for pair in renamed(name, tensor))
    save_file(
        {name: tensor.contiguous() for name, tensor in state.items()},
        folder / "model.safetensors",
        {"format": "pt"},
    )
    (folder / "config.json").write_text(json.dumps(config_of(arch)))
    size = open_clip.get_model_config(arch)["vision_cfg"]["image_size"]
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor_of(size)))
    write_tokenizer(folder)
