"""The keys that count now: those of the setting, or of a file that is read again whenever it changes."""

from __future__ import annotations

import hmac
import logging
from pathlib import Path

from service.access.keys import Key, checked, digest_of, keys_of_file, keys_of_list

log = logging.getLogger(__name__)
SLASHES = frozenset("/\\")


def file_of(setting: str) -> Path | None:
    """The path that the setting is: it has a slash, or a file of that name is there. None: it lists keys."""
    if SLASHES & set(setting):
        return Path(setting).expanduser()
    try:
        return Path(setting) if Path(setting).is_file() else None
    except (OSError, ValueError):
        return None


def read(path: Path) -> tuple[Key, ...]:
    """Raises ValueError."""
    try:
        return checked(keys_of_file(path.read_text(encoding="utf-8-sig")))
    except OSError as error:
        raise ValueError(f"the file of keys {path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"the file of keys {path}: {error}") from None


def stamp_of(path: Path) -> tuple[int, ...] | None:
    """What changes when the file does, or who may read it; None where there is none."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_ctime_ns, facts.st_size, facts.st_ino


class Keyring:
    """`setting`: a comma list of keys, or the path of a file of hashed ones. Raises ValueError."""

    def __init__(self, setting: str) -> None:
        self.path = file_of(setting)
        self._stamp = stamp_of(self.path) if self.path else None
        self._keys = read(self.path) if self.path else checked(keys_of_list(setting))

    @property
    def keys(self) -> tuple[Key, ...]:
        """The keys as of now; a file that has become unusable is logged, and the former keys stay."""
        if self.path is not None and (stamp := stamp_of(self.path)) != self._stamp:
            self._stamp = stamp
            try:
                self._keys = read(self.path)
            except ValueError as error:
                log.error("keys not changed: %s", error)  # noqa: TRY400 - the message says it all
            else:
                log.info("keys read again", extra={"keys": [key.name for key in self._keys]})
        return self._keys

    def find(self, secret: str) -> Key | None:
        """The key with this secret; as long is taken for every secret, known or not."""
        digest, found = digest_of(secret), None
        for key in self.keys:
            if hmac.compare_digest(key.digest, digest):
                found = key
        return found
