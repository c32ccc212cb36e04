"""Ways to prepare depth and thermal pictures, which ImageBind's authors never published, as named steps.

A variant is steps joined by "+": `metres+filled`. What is known comes from the threads 14, 37, 69, 107 and
134 of facebookresearch/ImageBind and thread 12 of facebookresearch/omnivore.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import torch
from PIL import Image

from evaluation.errors import EvaluationError
from models.embedder import Views
from models.imagebind.picture import DEPTH_READ_TOO_LARGE, DISPARITY_MEAN, DISPARITY_STD
from models.samples import DepthSample, Float32, Sample, ThermalSample

CAP_M = 8.0  # SUN RGB-D's toolbox (read3dPoints.m) sets greater distances to it
LEVELS = 256  # of histogram equalisation


def _metres(sample: DepthSample) -> DepthSample:
    return replace(sample, metres=(sample.metres / DEPTH_READ_TOO_LARGE).astype(np.float32))


def _kinect(sample: DepthSample) -> DepthSample:
    return replace(sample, fx=None, baseline=None)


def _capped(sample: DepthSample) -> DepthSample:
    return replace(sample, metres=np.minimum(sample.metres, np.float32(CAP_M)))


def _filled(sample: DepthSample) -> DepthSample:
    seen = sample.metres[sample.metres > 0]
    middle = np.float32(np.median(seen)) if seen.size else np.float32(0)
    return replace(sample, metres=np.where(sample.metres > 0, sample.metres, middle).astype(np.float32))


def _squeezed(values: Float32, filter_: Image.Resampling) -> Float32:
    """The whole picture (H, W) as a square of its short side."""
    side = min(values.shape)
    return np.asarray(Image.fromarray(values).resize((side, side), filter_), np.float32)


def _squash_depth(sample: DepthSample) -> DepthSample:
    # Distances at an edge are never mixed: nothing stands half way.
    return replace(sample, metres=_squeezed(sample.metres, Image.Resampling.NEAREST))


def _squash_thermal(sample: ThermalSample) -> ThermalSample:
    return replace(sample, values=_squeezed(sample.values, Image.Resampling.BILINEAR).clip(0, 1))


def _pad(sample: ThermalSample) -> ThermalSample:
    height, width = sample.values.shape
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    around = ((top, side - height - top), (left, side - width - left))
    return replace(sample, values=np.pad(sample.values, around, mode="edge"))


def _inverted(sample: ThermalSample) -> ThermalSample:
    return replace(sample, values=1 - sample.values)


def _stretched(sample: ThermalSample) -> ThermalSample:
    low, high = float(sample.values.min()), float(sample.values.max())
    span = high - low or 1.0
    return replace(sample, values=((sample.values - low) / span).astype(np.float32).clip(0, 1))


def _equalised(sample: ThermalSample) -> ThermalSample:
    counts, edges = np.histogram(sample.values, LEVELS, (0, 1))
    share = counts.cumsum() / sample.values.size
    return replace(sample, values=np.interp(sample.values, edges[1:], share).astype(np.float32))


def _unstandardised(views: torch.Tensor) -> torch.Tensor:
    return views * DISPARITY_STD + DISPARITY_MEAN


def _centred(views: torch.Tensor) -> torch.Tensor:
    return (views - 0.5) / 0.5


@dataclass(frozen=True)
class Step:
    """One change of the sample, or of the views that the model made of it (then of `imagebind-*` only)."""

    modality: str
    says: str
    sample: Callable[..., Sample] | None = None
    views: Callable[[torch.Tensor], torch.Tensor] | None = None


STEPS: Mapping[str, Step] = MappingProxyType(
    {
        "metres": Step(
            "depth", "true metres; imagebind-* otherwise reads depth eight times too large", _metres
        ),
        "kinect": Step("depth", "one camera for all: fx 518.9 px, baseline 0.075 m", _kinect),
        "capped": Step("depth", "distances beyond 8 m become 8 m", _capped),
        "filled": Step("depth", "places without a reading get the median distance, not infinity", _filled),
        "squash-depth": Step("depth", "the whole picture as a square, not its middle", _squash_depth),
        "unstandardised": Step("depth", "disparity / 75 without mean and deviation", views=_unstandardised),
        "inverted": Step("thermal", "warm is dark", _inverted),
        "stretched": Step("thermal", "coldest 0, warmest 1", _stretched),
        "equalised": Step("thermal", "histogram equalised", _equalised),
        "squash": Step("thermal", "the whole picture as a square, not its middle", _squash_thermal),
        "pad": Step("thermal", "the whole picture, edges repeated to a square", _pad),
        "centred": Step("thermal", "(value - 0.5) / 0.5", views=_centred),
    }
)
SWEEP: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "depth": (
            "",
            "kinect",
            "filled",
            "squash-depth",
            "unstandardised",
            "metres",
            "metres+capped",
            "metres+kinect",
            "metres+filled",
            "metres+squash-depth",
            "metres+capped+filled",
            "metres+capped+filled+squash-depth",
        ),
        "thermal": (
            "",
            "centred",
            "inverted",
            "stretched",
            "equalised",
            "squash",
            "squash+centred",
            "squash+inverted",
            "squash+stretched",
            "squash+equalised",
            "pad",
            "pad+inverted",
            "pad+equalised",
        ),
    }
)


@dataclass(frozen=True)
class Variant:
    """Steps in order; no step is the model's own preparation."""

    names: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return "+".join(self.names) or "plain"

    @property
    def modalities(self) -> frozenset[str]:
        """What it touches."""
        return frozenset(STEPS[name].modality for name in self.names)

    def on_sample(self, modality: str, sample: Sample) -> Sample:
        for name in self.names:
            step = STEPS[name]
            if step.modality == modality and step.sample:
                sample = step.sample(sample)
        return sample

    def on_views(self, modality: str, views: Views) -> Views:
        for name in self.names:
            step = STEPS[name]
            if step.modality == modality and step.views:
                views = replace(views, tensor=step.views(views.tensor))
        return views


PLAIN = Variant()


def variant_named(text: str, model: str) -> Variant:
    """Steps joined by "+"; "plain" or nothing is the model's own way. Raises EvaluationError."""
    names = tuple(name for name in text.split("+") if name and name != "plain")
    unknown = [name for name in names if name not in STEPS]
    if unknown:
        known = "\n".join(f"  {name:16}{step.modality}: {step.says}" for name, step in STEPS.items())
        raise EvaluationError(f"there is no variant {unknown[0]!r}; accepted, joined by +, are\n{known}")
    unfit = [name for name in names if STEPS[name].views and not model.startswith("imagebind")]
    if unfit:
        raise EvaluationError(
            f"the variant {unfit[0]!r} undoes ImageBind's own preparing; {model} has another"
        )
    return Variant(names)


def sweep_of(modalities: frozenset[str], model: str) -> list[Variant]:
    """All variants of depth and thermal that fit the model. Raises EvaluationError where there is neither."""
    texts = [text for modality in SWEEP if modality in modalities for text in SWEEP[modality]]
    if not texts:
        raise EvaluationError("there is nothing to sweep: only depth and thermal have variants")
    plain = model.startswith("imagebind")
    fitting = [text for text in texts if plain or not any(STEPS[n].views for n in text.split("+") if n)]
    return [variant_named(text, model) for text in dict.fromkeys(fitting)]
