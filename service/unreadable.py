"""What the system says of files, in words in place of `[Errno 2]`."""

from __future__ import annotations

from pathlib import Path


def missing(file: Path) -> str:
    """The nearest folder that is not there, else the file itself."""
    absent = next((each for each in reversed(file.parents) if not each.exists()), None)
    return f"there is no file {file}" if absent is None else f"there is no folder {absent}"


def plain(error: Exception, name: Path | None = None) -> str:
    """The words of an error; of the system's own why, and which file it is about (`name`, else its own)."""
    if not isinstance(error, OSError) or error.errno is None:
        return str(error)
    file = name or error.filename
    if not isinstance(file, str | Path):
        return str(error.strerror)
    if isinstance(error, FileNotFoundError):
        return missing(Path(file))
    if isinstance(error, IsADirectoryError):
        return f"{file} is a folder, not a file"
    if isinstance(error, PermissionError):
        return f"this user may not use {file}"
    return f"{file}: {error.strerror}"
