"""Of how many pieces a picture's file consists, counted before Pillow meets them.

Pillow handles every segment, block, chunk and strip in Python and keeps many of them: millions of tiny ones,
which 50 MB have room for, take minutes and gigabytes. A JPEG's scans each go over the whole picture.
"""

import re
import struct
from collections.abc import Callable, Iterator
from types import MappingProxyType

from models.errors import MediaTooLargeError
from models.media import formats

MOST_PIECES = MappingProxyType(
    {formats.JPEG: 2_000, formats.PNG: 20_000, formats.GIF: 20_000, formats.TIFF: 100_000}
)
# Encoders write about 10; libjpeg-turbo's own advice against hostile files is a limit of a few hundred.
MOST_SCANS = 64
# Before the first scan: profiles, thumbnails, depth maps of phones. Pillow joins some of them one by one.
LARGEST_JPEG_HEADER = 8_000_000
# TIFF fields of bytes are profiles and the like: kept as they are.
BYTE_TYPES = frozenset({1, 2, 6, 7})
START_OF_SCAN, END_OF_IMAGE = 0xDA, 0xD9
AFTER_SCAN = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")
GIF_EXTENSION = 0x21


def _too_many(found: str, what: str, most: int) -> MediaTooLargeError:
    return MediaTooLargeError(f"the {found} picture has more than {most} {what}")


def _jpeg(data: bytes) -> Iterator[int]:
    """The positions of segments, and of bytes that fill the space between them.

    Raises MediaTooLargeError for a header or a number of scans beyond reason.
    """
    position, scans = 2, 0
    while position + 4 <= len(data) and data[position + 1] != END_OF_IMAGE:
        yield position
        if not scans and position > LARGEST_JPEG_HEADER:
            raise _too_many(formats.JPEG, "bytes before its first scan", LARGEST_JPEG_HEADER)
        if data[position] != 0xFF or data[position + 1] == 0xFF:
            position += 1
        elif data[position + 1] in {0x00, 0x01} or 0xD0 <= data[position + 1] <= 0xD8:
            position += 2
        elif data[position + 1] == START_OF_SCAN:
            scans += 1
            if scans > MOST_SCANS:
                raise _too_many(formats.JPEG, "scans", MOST_SCANS)
            following = AFTER_SCAN.search(data, position + 2)
            position = following.start() if following else len(data)
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")


def _png(data: bytes) -> Iterator[int]:
    """The positions of chunks; what follows the last one is no picture."""
    position = 8
    while position + 12 <= len(data):
        yield position
        if data[position + 4 : position + 8] == b"IEND":
            return
        position += 12 + int.from_bytes(data[position : position + 4], "big")


def _gif(data: bytes) -> Iterator[int]:
    """The positions of extensions and of their blocks, up to the first frame."""
    position = 13 + (3 << ((data[10] & 7) + 1) if len(data) > 10 and data[10] & 0x80 else 0)
    while data[position : position + 1] == bytes([GIF_EXTENSION]):
        position += 2
        while position < len(data) and data[position]:
            yield position
            position += 1 + data[position]
        yield position
        position += 1


def _tiff(data: bytes) -> Iterator[int]:
    """As many positions as the first directory's longest list of numbers has, that of the strips mostly."""
    order = "<" if data.startswith(b"II") else ">"
    (start,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, start)
    whole = (len(data) - start - 2) // 12
    fields = struct.iter_unpack(order + "HHII", data[start + 2 : start + 2 + 12 * min(count, whole)])
    yield from range(max((length for _, kind, length, _ in fields if kind not in BYTE_TYPES), default=0))


WALKS: MappingProxyType[str, Callable[[bytes], Iterator[int]]] = MappingProxyType(
    {formats.JPEG: _jpeg, formats.PNG: _png, formats.GIF: _gif, formats.TIFF: _tiff}
)


def refuse_too_many(data: bytes, found: str) -> None:
    """Raises MediaTooLargeError where a picture of format `found` consists of too many pieces.

    A file whose structure ends too early passes: what is wrong with it is told by others.
    """
    if found not in WALKS:
        return
    most = MOST_PIECES[found]
    try:
        if any(number >= most for number, _ in enumerate(WALKS[found](data))):
            raise _too_many(found, "pieces (segments, chunks, blocks, strips)", most)
    except (struct.error, IndexError):
        return
