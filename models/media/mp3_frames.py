"""The frames of an MP3 file, walked through by their headers (ISO 11172-3 and 13818-3, layer III)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

# [kbit/s]; the first (of any length) and the last (forbidden) are unusual.
KBITS_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)
KBITS_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0)
RATES_HZ = (44_100, 48_000, 32_000)
MONO = 0b11
# Bytes of the side information in a frame, by whether it is of MPEG-1 and whether in mono.
SIDE_BYTES = {(True, False): 32, (True, True): 17, (False, False): 17, (False, True): 9}
# The tag that encoders leave in a frame of its own: mark, flags, counts, table, and then LAME's delays.
ALL_THERE = bytes((0, 0, 0, 0b1111))
COUNT, DELAYS = slice(8, 12), slice(141, 144)
VBRI_AT = 36
ID3_1_BYTES, ID3_2_BYTES = 128, 10
ID3_FOOTER = 0x10


@dataclass(frozen=True)
class Kind:
    """What all frames of a file have in common. `halvings` of the rates of MPEG-1: 1 in MPEG-2, 2 in 2.5."""

    halvings: int
    rate_index: int
    mono: bool

    @property
    def rate(self) -> int:
        return RATES_HZ[self.rate_index] >> self.halvings

    @property
    def samples(self) -> int:
        return 576 if self.halvings else 1152

    @property
    def channels(self) -> int:
        return 1 if self.mono else 2

    @property
    def tag_at(self) -> int:
        """Behind the header and the side information."""
        return 4 + SIDE_BYTES[self.halvings == 0, self.mono]


@cache
def frame_lengths(kind: Kind) -> Sequence[int]:
    """Bytes of a frame by the third byte of its header; 0 where that is unusual."""
    kbits = KBITS_2 if kind.halvings else KBITS_1
    lengths = [125 * kind.samples * kbits[third >> 4] // kind.rate for third in range(256)]
    usual = [third >> 2 & 3 == kind.rate_index and lengths[third] > 0 for third in range(256)]
    return tuple(usual[third] * (lengths[third] + (third >> 1 & 1)) for third in range(256))


def id3_bytes(data: bytes) -> int:
    """How long the ID3v2 tag is that the file begins with; 0 where it is none by its own rules."""
    head = data[:ID3_2_BYTES]
    if not head.startswith(b"ID3") or len(head) < ID3_2_BYTES or 0xFF in head[3:5] or max(head[6:]) > 0x7F:
        return 0
    footer = ID3_2_BYTES if head[5] & ID3_FOOTER else 0
    return ID3_2_BYTES + sum(head[6 + i] << 7 * (3 - i) for i in range(4)) + footer


def between_tags(data: bytes) -> tuple[int, int]:
    """Where an ID3v2 tag ends, and where an ID3v1 tag begins."""
    end = len(data) - ID3_1_BYTES if data[-ID3_1_BYTES:].startswith(b"TAG") else len(data)
    return id3_bytes(data), end


def kind_of(header: bytes) -> Kind | None:
    """The kind of a frame by its first four bytes; None where they are no header of layer III."""
    halvings = {0b11: 0, 0b10: 1, 0b00: 2}
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0b1110_0110 != 0b1110_0010:
        return None
    version, rate_index = header[1] >> 3 & 3, header[2] >> 2 & 3
    if version not in halvings or rate_index >= len(RATES_HZ):
        return None
    return Kind(halvings[version], rate_index, header[3] >> 6 == MONO)


def count_frames(data: bytes, at: int, end: int, kind: Kind, most: int) -> int:
    """How many frames of the kind follow each other from `at` to `end`.

    0 where anything else is there, or more than `most`: a header may stand at every 24 bytes.
    """
    start, lengths = data[at : at + 2], frame_lengths(kind)
    count = 0
    while at + 4 <= end and count <= most:
        length = lengths[data[at + 2]]
        if not length or data[at : at + 2] != start or (data[at + 3] >> 6 == MONO) != kind.mono:
            return 0
        at += length
        count += 1
    return count if at == end and count <= most else 0


def samples_in(data: bytes, kind: Kind, frames: int) -> int | None:
    """Those of the sound, without what its encoder has filled up; None where the first frame is unusual."""
    tag = data[kind.tag_at : kind.tag_at + DELAYS.stop]
    if data.startswith(b"VBRI", VBRI_AT):
        return None
    if not tag.startswith((b"Xing", b"Info")):
        return frames * kind.samples
    if tag[4:8] != ALL_THERE or int.from_bytes(tag[COUNT], "big") != frames - 1:
        return None
    delays = int.from_bytes(tag[DELAYS], "big")
    return (frames - 1) * kind.samples - (delays >> 12) - (delays & 0xFFF)
