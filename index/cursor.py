"""Page cursors: a sequence number, made opaque so that nobody counts on it."""

import base64
import binascii

from index.errors import CursorError

_PREFIX = b"seq:"
_LONGEST = 64


def write(seq: int) -> str:
    return base64.urlsafe_b64encode(_PREFIX + str(seq).encode()).decode().rstrip("=")


def read(cursor: str | None) -> int:
    """Give the sequence number to go on after; 0 for the first page.

    Raises:
        CursorError: the cursor is none of ours.
    """
    if cursor is None:
        return 0
    if isinstance(cursor, str) and len(cursor) <= _LONGEST and cursor.isascii():
        try:
            padding = "=" * (-len(cursor) % 4)
            text = base64.b64decode(cursor + padding, altchars=b"-_", validate=True)
        except binascii.Error:
            text = b""
        digits = text.removeprefix(_PREFIX)
        if text.startswith(_PREFIX) and digits.isdigit() and len(digits) < 19:
            return int(digits)
    raise CursorError("this cursor is not valid: accepted is the next_cursor of an earlier page, or none")
