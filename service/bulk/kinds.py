"""Which modality a file of a folder is: told by what is said of it, its folder, its name, its content.

Depth maps and thermal pictures are PNG and TIFF files as photographs are, so the names tell them apart.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePath
from types import MappingProxyType

from models.media import formats
from models.modalities import ARRAY_SUFFIX, MODALITIES, modality_of_file
from service.parts import Senses

HEAD_BYTES = 512
# Names of folders, and last words of file names, that say what the files are.
WORDS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("depth", "depths", "depth_map", "depth_maps"), "depth"),
        **dict.fromkeys(("thermal", "thermals", "infrared", "lwir"), "thermal"),
        **dict.fromkeys(("imu", "imus"), "imu"),
        **dict.fromkeys(("image", "images", "rgb", "color", "colour", "photo", "photos"), "image"),
    }
)
OF_FORMAT: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys((formats.PNG, formats.JPEG, formats.WEBP, formats.GIF, formats.BMP), "image"),
        formats.TIFF: "image",
        **dict.fromkeys((formats.WAV, formats.FLAC, formats.OGG, formats.MP3, formats.AAC), "audio"),
        **dict.fromkeys((formats.MP4, formats.MATROSKA), "video"),
    }
)
LAST_WORD = re.compile(r"[^-_. ]+$")
OPEN = "open"  # a file that could be several things


def said_by_names(name: PurePath, senses: Senses = MODALITIES) -> str | None:
    """The modality in the file's last word (`room-depth.png`), else in the nearest folder that names one."""
    last = LAST_WORD.search(name.stem)
    words = [last.group() if last and last.group() != name.stem else "", *reversed(name.parts[:-1])]
    suffix = name.suffix.lower()
    for word in words:
        named = word if word in senses else WORDS.get(word.lower())
        if named is not None and suffix in senses[named].suffixes:
            return named
    return None


def said_by_content(path: Path) -> str | None:
    """The usual modality of the format that a file opens with. Raises OSError."""
    with path.open("rb") as file:
        return OF_FORMAT.get(formats.recognise(file.read(HEAD_BYTES)) or "")


def modality_of(path: Path, name: PurePath, senses: Senses = MODALITIES) -> str | None:
    """The modality of a file nothing is said of, OPEN where it may be several, None where it is no media.

    Raises OSError.
    """
    named = said_by_names(name, senses)
    if named is not None:
        return named
    suffix = name.suffix.lower()
    if suffix == ARRAY_SUFFIX:
        return OPEN
    usual = modality_of_file(name.name)
    if usual is not None:
        return usual
    return said_by_content(path)
