"""PIL's images, known by what they can do, so that PIL need not be there."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np

from sensorium_client.arrays import Array
from sensorium_client.errors import UnusableInputError


@runtime_checkable
class Picture(Protocol):
    """A PIL image."""

    @property
    def mode(self) -> str: ...
    def convert(self, mode: str) -> Any: ...
    def getexif(self) -> Mapping[int, Any]: ...
    def save(self, fp: Any, format: str) -> None: ...  # noqa: A002 - PIL's word
    def transpose(self, method: Any) -> Any: ...


KEPT_MODES = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I;16"})
# PNG has no such numbers, and PIL's conversions cut them off at 255.
NUMBER_MODES = frozenset({"F", "I", "I;16B", "I;16L", "I;16N"})
PREMULTIPLIED = {"La": "LA", "RGBa": "RGBA"}
ORIENTATION_TAG = 0x0112
# From EXIF's orientation (CIPA DC-008, table 6) to the value of PIL's `Transpose` that sets it upright.
UPRIGHT = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}


def upright(picture: Picture) -> Picture:
    """The picture as its EXIF says it is to be seen, as the server sees the file it was opened from."""
    turn = UPRIGHT.get(picture.getexif().get(ORIENTATION_TAG, 1))
    turned: Picture = picture if turn is None else picture.transpose(turn)
    return turned


def png_of(picture: Picture) -> bytes:
    mode = PREMULTIPLIED.get(picture.mode, "RGB")
    buffer = io.BytesIO()
    (picture if picture.mode in KEPT_MODES else picture.convert(mode)).save(buffer, "PNG")
    return buffer.getvalue()


def content_of(picture: Picture) -> bytes | Array:
    """A PNG, or the numbers of a picture that no PNG holds. Raises UnusableInputError."""
    try:
        seen = upright(picture)
        return np.asarray(seen) if seen.mode in NUMBER_MODES else png_of(seen)
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise UnusableInputError(f"the PIL image of mode {picture.mode} cannot be read: {error}") from error
