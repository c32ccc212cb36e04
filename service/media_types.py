"""The media type that an original is served with: what its bytes are, never what a browser would run."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from models.media import formats
from models.modalities import ARRAY_TYPE, Modality

UNKNOWN = "application/octet-stream"
OF_FORMAT: Mapping[str, str] = MappingProxyType(
    {
        formats.PNG: "image/png",
        formats.JPEG: "image/jpeg",
        formats.WEBP: "image/webp",
        formats.GIF: "image/gif",
        formats.BMP: "image/bmp",
        formats.TIFF: "image/tiff",
        formats.WAV: "audio/wav",
        formats.FLAC: "audio/flac",
        formats.OGG: "audio/ogg",
        formats.MP3: "audio/mpeg",
        formats.AAC: "audio/aac",
        formats.NPY: ARRAY_TYPE,
    }
)
OF_CONTAINER: Mapping[str, str] = MappingProxyType({formats.MP4: "mp4", formats.MATROSKA: "webm"})
TEXT = "text/plain; charset=utf-8"
TABLE = "text/csv"
SAVED = frozenset({TABLE, ARRAY_TYPE, "image/tiff"})
# What browsers show without running anything in it. Whatever else a collection may say, which may have been
# filled elsewhere, is only ever saved: a file of text/html would otherwise be a page of this server.
SHOWN = frozenset(
    {
        *(kind for kind in OF_FORMAT.values() if kind not in SAVED),
        *(f"{family}/{container}" for family in ("audio", "video") for container in OF_CONTAINER.values()),
        "text/plain",
    }
)


def served_type(modality: Modality, data: bytes, given: str | None = None) -> str:
    """By the first bytes; where those tell nothing, what was given if the modality takes it."""
    if modality.name == "text":
        return TEXT
    found = formats.recognise(data) or ""
    if found in OF_CONTAINER:
        return f"{'audio' if 'audio/wav' in modality.media_types else 'video'}/{OF_CONTAINER[found]}"
    if found in OF_FORMAT:
        return OF_FORMAT[found]
    stripped = (given or "").partition(";")[0].strip().lower()
    if TABLE in modality.media_types:
        return TABLE
    return stripped if stripped in modality.media_types else UNKNOWN


def shown_as(media_type: str | None) -> tuple[str, str]:
    """The type that a stored original is sent with, and whether a browser shows it or saves it."""
    kind = (media_type or UNKNOWN).partition(";")[0].strip().lower()
    if kind in SHOWN:
        return (TEXT if kind == "text/plain" else kind), "inline"
    return (kind if kind in SAVED else UNKNOWN), "attachment"
