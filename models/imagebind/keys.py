"""Names of the published state dict against names of our modules, exactly one to one."""

from __future__ import annotations

from models.imagebind.sizes import Sizes
from models.imagebind.towers import Encoder, build

_PUBLISHED = {"image": "vision"}
_STEMS = {
    "image": "rgbt_stem",
    "audio": "rgbt_stem",
    "depth": "depth_stem",
    "thermal": "rgbt_stem",
    "imu": "imu_stem",
}
_HEADS = {"text": ("proj.0", "proj.1"), "imu": ("0", "3")}  # norm, linear; the others ("0", "2")
_OWN_POSITIONS = ("text", "imu")  # the others keep theirs in a helper


def _prefixes(modality: str) -> dict[str, str]:
    """Beginning of our name -> beginning of the published one."""
    name = _PUBLISHED.get(modality, modality)
    before, trunk = f"modality_preprocessors.{name}", f"modality_trunks.{name}"
    head, after = f"modality_heads.{name}", f"modality_postprocessors.{name}"
    stem = f"{before}.{_STEMS.get(modality)}"
    norm, linear = _HEADS.get(modality, ("0", "2"))
    helper = "" if modality in _OWN_POSITIONS else ".pos_embedding_helper"
    return {
        "class_token": f"{before}.cls_token",
        "positions": f"{before}{helper}.pos_embed",
        "mask": f"{before}.mask",
        # In the published image stem a module that repeats stills stands before the convolution.
        "stem.projection": f"{stem}.proj.1" if modality == "image" else f"{stem}.proj",
        "stem.norm": f"{stem}.norm_layer",
        "stem.weight": f"{before}.token_embedding.weight",
        "pre_norm": f"{trunk}.pre_transformer_layer.0",
        "blocks": f"{trunk}.blocks",
        "head_norm": f"{head}.{norm}",
        "head.": f"{head}.{linear}.",
        "log_scale": f"{after}.1.log_logit_scale",
    }


def published(modality: str, own: str) -> str:
    """Published name of one entry of our encoder's state dict."""
    prefixes = _prefixes(modality)
    found = next(prefix for prefix in prefixes if own.startswith(prefix))
    rest = own.removeprefix(found).replace(".in_proj.", ".in_proj_")  # torch's name of the packed projection
    return prefixes[found] + rest


def published_keys(modality: str, encoder: Encoder) -> dict[str, str]:
    """Our name -> published name, for every entry of an encoder's state dict."""
    return {own: published(modality, own) for own in encoder.state_dict()}


def published_shapes(sizes: Sizes) -> dict[str, tuple[int, ...]]:
    """Every key of a whole checkpoint and its shape."""
    shapes: dict[str, tuple[int, ...]] = {}
    for modality in sizes.trunks:
        state = build(modality, sizes).state_dict()
        shapes |= {published(modality, own): tuple(tensor.shape) for own, tensor in state.items()}
    return shapes


def modality_of(key: str) -> str:
    """The modality that a published key belongs to."""
    published_name = key.split(".")[1]
    return {name: own for own, name in _PUBLISHED.items()}.get(published_name, published_name)
