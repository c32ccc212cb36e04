"""The vectors of a compressed shelf by their places, for exact scores: float32 LE, one after the other.

SQLite has them too, a file is many times faster to read from. Only what is asked for is read, nothing is
mapped, so the vectors take disk and the system's cache but no memory of the process. What is missing of the
file is written again from SQLite when the shelf is loaded.
"""

import os
from pathlib import Path
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from index.items import Vector

SUFFIX = ".vectors"


class VectorFile:
    """An open file; reading may run together, writing must run alone."""

    def __init__(self, path: Path, dimension: int) -> None:
        self.path = path
        self._dimension = dimension
        self._width = 4 * dimension
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    @classmethod
    def new(cls, folder: Path, modality: str, dimension: int) -> "VectorFile":
        return cls(folder / f"{modality}-{uuid4().hex}{SUFFIX}", dimension)

    def __len__(self) -> int:
        """Give the number of whole vectors in the file."""
        return os.fstat(self._file).st_size // self._width

    def write(self, place: int, vectors: Vector) -> None:
        """Write vectors, shape (n, dim), at `place` and the places behind.

        Raises:
            OSError: the disk has no room, for one.
        """
        data = memoryview(vectors.astype("<f4").tobytes())
        position = place * self._width
        while data:
            written = os.pwrite(self._file, data, position)
            data, position = data[written:], position + written

    def read(self, places: NDArray[np.int64]) -> Vector:
        """Read the vectors at these places, shape (n, dim).

        Raises:
            OSError: the file is shorter, or cannot be read.
        """
        width, file = self._width, self._file
        data = b"".join([os.pread(file, width, place * width) for place in places.tolist()])
        if len(data) != len(places) * width:
            raise OSError(f"{self.path} is shorter than it was")
        return np.frombuffer(data, dtype="<f4").reshape(-1, self._dimension)

    def sync(self) -> None:
        os.fsync(self._file)

    def close(self) -> None:
        os.close(self._file)

    def remove(self) -> None:
        self.close()
        self.path.unlink(missing_ok=True)
