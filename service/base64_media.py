"""Media inside JSON: base64, bare or as a data URI; and what looks like an address in its place."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

import pybase64

from models.errors import ParameterError
from service.errors import UnusableValueError

ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
DATA_URI = re.compile(r"data:(?P<type>[^;,]*)(?:;[^;,]*)*?;base64,", re.IGNORECASE)
# As many characters as are decoded at once: a C call keeps all other threads waiting.
SLICE = 1 << 20
ACCEPTED = "send the file itself as base64, bare or as a data URI (data:image/png;base64,...)"


def is_address(value: Any) -> bool:
    """Whether `value` opens as `https://` and its like do, which no base64 does."""
    return isinstance(value, str) and ADDRESS.match(value) is not None


def decoded(encoded: str) -> bytes:
    """Strict base64, but line breaks and blanks, which `base64 FILE` writes, are passed over."""
    try:
        return pybase64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return decoded_in_lines(encoded)


def decoded_in_lines(encoded: str) -> bytes:
    """The same, thirty times slower; its errors say what is wrong."""
    text = "".join(encoded.split())
    slices = (text[start : start + SLICE] for start in range(0, len(text), SLICE))
    try:
        if 0 <= text.find("=") < len(text) - 2:
            raise ValueError("padding before the end")  # noqa: TRY301 - the same fault as those of b64decode
        return b"".join([base64.b64decode(each, validate=True) for each in slices])
    except ValueError as error:
        message = f"malformed base64 ({error}; letters are A-Z a-z 0-9 + / with = at the end); {ACCEPTED}"
        raise UnusableValueError(message, code="invalid_base64") from error


def media_of(value: Any) -> tuple[bytes, str | None]:
    """The file's bytes, and the media type where a data URI names one.

    Raises ParameterError where `value` is not a string, UnusableValueError where it is not base64.
    """
    if not isinstance(value, str):
        raise ParameterError(f"media are strings; {ACCEPTED}")
    uri = DATA_URI.match(value)
    if uri is None and value[:5].lower() == "data:":
        raise UnusableValueError(f"malformed data URI; {ACCEPTED}", code="invalid_base64")
    encoded = value[uri.end() :] if uri else value
    return decoded(encoded), (uri["type"].lower() or None) if uri else None
