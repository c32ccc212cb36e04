"""The licences of the training material, by the `source` of `index.csv`, as far as they are known."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

LICENCES: Mapping[str, str] = MappingProxyType(
    {
        "Tiny-ImageNet-200": "ImageNet's terms: non-commercial research",
        "CIFAR-10": "not stated",
        "Caltech-101": "CC BY 4.0",
        "Flickr8k": "non-commercial research; photographs belong to their authors",
        "AudioCaps": "academic use",
        "Clotho": "Tampere University's terms",
        "ESC-10": "CC BY 3.0, every clip with its own credit",
        "Animal-Sound-Dataset": "not stated",
        "Free Spoken Digit Dataset": "CC BY-SA 4.0",
        "RoadScene": "not stated; cut from material under FLIR's terms",
        "Thermal Dogs and People": "public domain",
        "HIT-UAV": "CC BY 4.0",
        "7-Scenes kitchen": "Microsoft, non-commercial",
        "ZED streets": "not stated",
        "SisFall": "free for research",
        "UCI HAR": "CC BY 4.0",
        "common-3d-test-models": "not stated; Stanford's bunny for research",
    }
)
TEACHER = ("all-MiniLM-L6-v2", "Apache-2.0")  # of the text tower


def licence_of(source: str) -> str:
    return LICENCES.get(source, "unknown to this table: look before you publish")
