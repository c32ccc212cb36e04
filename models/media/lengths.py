"""Truncation, found by walking a file's own structure: whoever claims more bytes than are there was cut off.

Decoders forgive too much here: libsndfile shortens a cut WAV in silence, libav plays the half of an MP4.
"""

import struct
from collections.abc import Callable
from types import MappingProxyType
from typing import Literal

from models.errors import MediaError
from models.media import formats
from models.media.mp3_frames import id3_bytes

# Written as a size by programs that stream and cannot go back: "until the end".
STREAMED_RIFF_SIZE = 0x7FFFF000
UNKNOWN_EBML_SIZE = -1
EBML_HEADER, EBML_SEGMENT = 0x1A45DFA3, 0x18538067


def _riff(data: bytes) -> bool:
    position = 12
    while position + 8 <= len(data):
        size = int.from_bytes(data[position + 4 : position + 8], "little")
        if data[position : position + 4] in {b"data", b"VP8 ", b"VP8L"}:
            return size < STREAMED_RIFF_SIZE and position + 8 + size > len(data)
        position += 8 + size + size % 2
    return position > len(data)


def _png(data: bytes) -> bool:
    position = 8
    while position + 12 <= len(data):
        size = int.from_bytes(data[position : position + 4], "big")
        if data[position + 4 : position + 8] == b"IEND":
            return False
        position += 12 + size
    return True


def _tiff(data: bytes) -> bool:
    """By the offset of the first directory, which most writers put behind the pixels."""
    order: Literal["little", "big"] = "little" if data.startswith(b"II") else "big"
    return int.from_bytes(data[4:8], order) + 2 > len(data)


def _ogg(data: bytes) -> bool:
    position = 0
    while data.startswith(b"OggS", position):
        lacing = (
            data[position + 27 : position + 27 + data[position + 26]] if position + 27 <= len(data) else b""
        )
        if not lacing:
            return position + 27 >= len(data)
        position += 27 + len(lacing) + sum(lacing)
    return position > len(data)


def _mp3(data: bytes) -> bool:
    """By the byte count of a Xing or Info frame, where an encoder has left one."""
    start = id3_bytes(data)
    mark = max(data.find(b"Xing", start, start + 64), data.find(b"Info", start, start + 64))
    if start >= len(data) or mark < 0 or mark + 16 > len(data):
        return start >= len(data)
    flags, _, size = struct.unpack_from(">III", data, mark + 4)
    return flags & 3 == 3 and start + int(size) > len(data)


def _mp4(data: bytes) -> bool:
    position = 0
    while position + 8 <= len(data):
        size = int.from_bytes(data[position : position + 4], "big")
        if size == 1:
            size = int.from_bytes(data[position + 8 : position + 16], "big")
        if size == 0:
            return False
        if size < 8 or not data[position + 4 : position + 8].isascii():
            return False
        position += size
    return position > len(data)


def _ebml_number(data: bytes, position: int, *, marked: bool) -> tuple[int, int]:
    """Value and length of a variable-length number; ids keep their length mark, sizes drop it."""
    if position >= len(data) or data[position] == 0:
        raise IndexError
    length = 9 - data[position].bit_length()
    value = int.from_bytes(data[position : position + length], "big")
    ones = (1 << 7 * length) - 1
    if not marked:
        value &= ones
        value = UNKNOWN_EBML_SIZE if value == ones else value
    return value, length


def _matroska(data: bytes) -> bool:
    position = 0
    try:
        while position < len(data):
            name, name_length = _ebml_number(data, position, marked=True)
            size, size_length = _ebml_number(data, position + name_length, marked=False)
            if name not in {EBML_HEADER, EBML_SEGMENT} or size == UNKNOWN_EBML_SIZE:
                return False
            position += name_length + size_length + size
    except IndexError:
        return True
    return position > len(data)


WALKS: MappingProxyType[str, Callable[[bytes], bool]] = MappingProxyType(
    {
        formats.WAV: _riff,
        formats.WEBP: _riff,
        formats.PNG: _png,
        formats.TIFF: _tiff,
        formats.OGG: _ogg,
        formats.MP3: _mp3,
        formats.MP4: _mp4,
        formats.MATROSKA: _matroska,
    }
)


def truncated(message: str) -> MediaError:
    return MediaError(message, code="truncated_media")


def refuse_truncated(data: bytes, found: str) -> None:
    """Raises MediaError (code `truncated_media`) where a file of format `found` ends too early."""
    if found in WALKS and WALKS[found](data):
        raise truncated(
            f"the {found} file is truncated: its structure claims more than its {len(data)} bytes"
        )
