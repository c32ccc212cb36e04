"""Pictures in a terminal: the protocols of kitty and iTerm, sixels, or half-block characters."""

from __future__ import annotations

import base64
import io
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from PIL import Image

from service.bulk.asking import Asking

SIDE = 160  # pixels
CELLS = 32  # half blocks across
KITTY_CHUNK = 4096
COLOURS = 64
BAND = 6  # rows of pixels in one row of sixels
SIXEL_TERMINALS = ("foot", "mlterm", "contour", "yaft", "sixel")


def png(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def kitty(image: Image.Image) -> str:
    """Kitty's graphics protocol: base64 of a PNG in pieces."""
    data = png(image)
    pieces = [data[start : start + KITTY_CHUNK] for start in range(0, len(data), KITTY_CHUNK)]
    last = len(pieces) - 1
    told = ["a=T,f=100," if i == 0 else "" for i in range(len(pieces))]
    return "".join(f"\x1b_G{told[i]}m={int(i < last)};{piece}\x1b\\" for i, piece in enumerate(pieces))


def iterm(image: Image.Image) -> str:
    """ITerm's inline images."""
    return f"\x1b]1337;File=inline=1;width={image.width}px;height={image.height}px:{png(image)}\a"


def sixels(image: Image.Image) -> str:
    """DEC's sixels: for each band of six rows and each colour in it, a character per column."""
    indexed = image.quantize(COLOURS)
    palette, pixels = indexed.getpalette() or [], indexed.load()
    assert pixels is not None
    used = range(len(palette) // 3)
    lines = [f"#{c};2;" + ";".join(str(v * 100 // 255) for v in palette[3 * c : 3 * c + 3]) for c in used]
    for top in range(0, image.height, BAND):
        rows = range(top, min(top + BAND, image.height))
        columns = [[pixels[x, y] for y in rows] for x in range(image.width)]
        for colour in sorted({each for column in columns for each in column}):
            bits = [sum(1 << i for i, each in enumerate(column) if each == colour) for column in columns]
            lines.append(f"#{colour}" + "".join(chr(63 + bit) for bit in bits) + "$")
        lines.append("-")
    return f"\x1bPq{''.join(lines)}\x1b\\"


def half_blocks(image: Image.Image) -> str:
    """Two pixels in a character: the colour of the block and of what is behind it."""
    height = max(2, image.height * CELLS // image.width // 2 * 2)
    small = image.resize((CELLS, height)).convert("RGB")
    pixels = small.load()
    assert pixels is not None
    lines = []
    for y in range(0, height, 2):
        cells = [
            "\x1b[38;2;{};{};{}m\x1b[48;2;{};{};{}m▀".format(*pixels[x, y], *pixels[x, y + 1])  # type: ignore[misc] # RGB
            for x in range(CELLS)
        ]
        lines.append("".join(cells) + "\x1b[0m")
    return "\n".join(lines)


def protocol(environment: Mapping[str, str]) -> Callable[[Image.Image], str] | None:
    """What the terminal says it can show; None where it says nothing."""
    term, program = environment.get("TERM", ""), environment.get("TERM_PROGRAM", "")
    if environment.get("KITTY_WINDOW_ID") or "kitty" in term or program == "ghostty":
        return kitty
    if program in ("iTerm.app", "WezTerm"):
        return iterm
    return sixels if any(name in term for name in SIXEL_TERMINALS) else None


def thumbnail(data: bytes) -> Image.Image | None:
    """At most SIDE pixels wide and high; None where it is no picture."""
    try:
        image = Image.open(io.BytesIO(data))
        image.draft("RGB", (SIDE, SIDE))
        image.thumbnail((SIDE, SIDE))
        return image.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError):
        return None


def picture_of(asking: Asking, path: str, item: str) -> Image.Image | None:
    """The item's preview, else its original."""
    for kind in ("preview", "media"):
        data = asking.bytes_of(f"{path}/items/{quote(item, safe='')}/{kind}")
        image = None if data is None else thumbnail(data)
        if image is not None:
            return image
    return None


def show(asking: Asking, path: str, results: Sequence[Mapping[str, Any]], *, wanted: bool | None) -> None:
    """Print the results' pictures; `wanted` None: where the terminal says that it can."""
    able = protocol(MappingProxyType(dict(os.environ)))
    draw = able or half_blocks
    if wanted is False or (wanted is None and (able is None or not sys.stdout.isatty())):
        return
    for each in results:
        image = picture_of(asking, path, each["id"])
        if image is not None:
            sys.stdout.write(f"{each['id']}\n{draw(image)}\n")
    sys.stdout.flush()
