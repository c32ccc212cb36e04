"""How many changes were acknowledged, kept beside the write-ahead log to notice when that lost some.

A bit that flips in the log makes SQLite pass over every change from there on, as if they had never been.
The number is written after each commit and not synced: it survives a kill, and after a power cut it may be
behind the log but never ahead of it.
"""

import logging
import os
import struct
from pathlib import Path
from zlib import crc32

log = logging.getLogger(__name__)

_FORM = struct.Struct("<QI")
_NUMBER = struct.Struct("<Q")


class HighWater:
    """A number in a file of its own. What cannot be read counts as 0: nothing is known then."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)

    def read(self) -> int:
        data = os.pread(self._file, _FORM.size + 1, 0)
        if len(data) == _FORM.size:
            number, checksum = _FORM.unpack(data)
            if crc32(_NUMBER.pack(number)) == checksum:
                return int(number)
        if data:
            log.warning("%s is not what was written and tells nothing", self.path)
        return 0

    def write(self, number: int) -> None:
        """Raise the mark; where the disk refuses that, the change it tells of is durable all the same."""
        try:
            os.pwrite(self._file, _FORM.pack(number, crc32(_NUMBER.pack(number))), 0)
        except OSError:
            log.warning("could not write %s", self.path, exc_info=True)

    def close(self, *, forget: bool) -> None:
        """Let go of the file; without a log there is nothing left to compare it with."""
        os.close(self._file)
        if forget:
            self.path.unlink(missing_ok=True)
