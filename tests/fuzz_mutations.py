"""Damage to files, drawn from a seeded `random.Random`: blind, and where a format keeps its sizes."""

import re
import struct
import zlib
from functools import cache
from itertools import pairwise

NAME = re.compile(rb"[A-Za-z][A-Za-z0-9 ]{3}")
EDGES = (0, 1, 2, 3, 7, 8, 16, 127, 128, 255, 256, 1024, 4096, 32_767, 32_768, 65_535, 65_536, 2**20, 2**24,
         2**27, 2**31 - 1, 2**31, 2**32 - 1)  # fmt: skip
WORDS = (
    b"<f8",
    b">i2",
    b"|b1",
    b"|O",
    b"-1",
    b"1e309",
    b"nan",
    b"99999999999",
    b"\r",
    b"\n",
    b'"',
    b",",
    b"\0",
)
MOST_STEPS = 4
LARGEST_FILE = 200_000


def flip(data, chance, _):
    for _ in range(chance.choice((1, 1, 2, 8, 32))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def overwrite(data, chance, _):
    for _ in range(chance.choice((1, 2, 4))):
        data[chance.randrange(len(data))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))


def truncate(data, chance, _):
    del data[chance.randrange(1, len(data) + 1) :]


def remove(data, chance, _):
    start = chance.randrange(len(data))
    del data[start : start + chance.choice((1, 4, 16, 256))]


def insert(data, chance, _):
    start = chance.randrange(len(data) + 1)
    noise = chance.choice((chance.randbytes(chance.randrange(1, 64)), bytes(chance.randrange(1, 999))))
    data[start:start] = chance.choice((noise, chance.choice(WORDS)))


def repeat(data, chance, _):
    start = chance.randrange(len(data))
    span = bytes(data[start : start + chance.randrange(1, 200)])
    data[start:start] = span * chance.choice((1, 2, 10, 200))


def splice(data, chance, others):
    other = chance.choice(others)
    data[chance.randrange(len(data)) :] = other[chance.randrange(len(other)) :]


def number(chance, length):
    return chance.choice((*EDGES, length, length + 1, length - 1, chance.getrandbits(32)))


def size(data, chance, _):
    """Any 2, 4 or 8 bytes, half of the time near the beginning, as a number that sizes trip over."""
    code = chance.choice(("<H", ">H", "<I", ">I", "<Q", ">Q"))
    width = struct.calcsize(code)
    span = min(len(data), chance.choice((64, 4096, len(data))))
    start = chance.randrange(max(1, span - width))
    value = number(chance, len(data)) % (1 << 8 * width)
    data[start : start + width] = struct.pack(code, value)


def named_size(data, chance, _):
    """The number before or behind a four-letter name, where PNG, MP4 and RIFF keep their sizes."""
    names = [match.start() for match in NAME.finditer(data)]
    if not names:
        return size(data, chance, _)
    place, before = chance.choice(names), chance.random() < 0.5
    start = place - 4 if before else place + chance.choice((4, 4, 8, 12))
    if start < 0:
        return None
    data[start : start + 4] = struct.pack(chance.choice("<>") + "I", number(chance, len(data)) % 2**32)
    return None


def duplicate_chunk(data, chance, _):
    """A stretch from one four-letter name to another, once more or many times."""
    names = [match.start() for match in NAME.finditer(data)]
    if len(names) < 2:
        return repeat(data, chance, _)
    first, last = sorted(chance.sample(names, 2))
    start, end = max(0, first - 4), max(0, last - 4)
    data[start:start] = bytes(data[start:end]) * chance.choice((1, 2, 20))
    return None


def digits(data, chance, _):
    """A decimal number somewhere, as headers of .npy and cells of CSV hold them."""
    found = list(re.finditer(rb"-?\d+(?:\.\d+)?", data))
    if not found:
        return size(data, chance, _)
    match = chance.choice(found)
    data[match.start() : match.end()] = str(number(chance, len(data)) * chance.choice((1, -1))).encode()
    return None


DAMAGE = (flip, overwrite, truncate, remove, insert, repeat, splice, size, size, named_size, named_size,
          duplicate_chunk, digits)  # fmt: skip

# These leave everything where it was, so that decoders come further into the file.
IN_PLACE = (flip, overwrite, size, named_size)


def repaired_png(data):
    """Chunks with the checksums of what they hold now; the rest as it is."""
    fixed, position = bytearray(data), 8
    while position + 12 <= len(fixed):
        length = int.from_bytes(fixed[position : position + 4], "big")
        end = position + 8 + length
        if end + 4 > len(fixed):
            break
        fixed[end : end + 4] = struct.pack(">I", zlib.crc32(fixed[position + 4 : end]))
        position = end + 4
    return bytes(fixed)


@cache
def ogg_table():
    rows = []
    for value in range(256):
        register = value << 24
        for _ in range(8):
            register = ((register << 1) ^ (0x04C11DB7 if register & 0x80000000 else 0)) & 0xFFFFFFFF
        rows.append(register)
    return rows


def ogg_checksum(page):
    register, table = 0, ogg_table()
    for byte in page:
        register = ((register << 8) & 0xFFFFFFFF) ^ table[(register >> 24) ^ byte]
    return register


def repaired_ogg(data):
    fixed, starts = bytearray(data), [match.start() for match in re.finditer(rb"OggS", data)]
    for start, end in pairwise([*starts, len(data)]):
        if start + 26 < end < start + 20_000:
            fixed[start + 22 : start + 26] = bytes(4)
            fixed[start + 22 : start + 26] = struct.pack("<I", ogg_checksum(fixed[start:end]))
    return bytes(fixed)


REPAIRS = {"png": repaired_png, "ogg": repaired_ogg}


def damaged(kind, original, others, chance):
    """`original` after one damage in place or up to MOST_STEPS of any kind; half of the checksums mended."""
    data = bytearray(original)
    kinds, steps = chance.choice(((IN_PLACE, 1), (DAMAGE, chance.randint(1, MOST_STEPS))))
    for _ in range(steps):
        chance.choice(kinds)(data, chance, others)
        del data[LARGEST_FILE:]
        data = data or bytearray(b"\0")
    return REPAIRS[kind](bytes(data)) if kind in REPAIRS and chance.random() < 0.5 else bytes(data)
