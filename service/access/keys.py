"""API keys: a name, scopes, a rate, and the SHA-256 of the secret, which itself is kept nowhere.

A key that is made here has 256 random bits, and no search through hashes finds those; so the hash needs
neither salt nor many rounds.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from service.access.rates import Rate, parse_rate, written_rate

READ, WRITE, ADMIN = "read", "write", "admin"
SCOPES = (READ, WRITE, ADMIN)
PREFIX = "sensorium_"
SECRET_BYTES = 32
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
HASHED = "sha256:"
DIGEST = re.compile(r"[0-9a-f]{64}")
# Shorter ones can be guessed.
FEWEST_CHARACTERS = 16
LINE = "NAME SCOPES sha256:HASH [RATE], such as `app read,write sha256:9f86.. requests=600`"
INLINE = "NAME:SCOPES:KEY (scopes joined by `+`), or KEY alone for every scope"


@dataclass(frozen=True)
class Key:
    """`digest`: the 32 bytes of the secret's SHA-256. `rate`: None where the server's own counts."""

    name: str
    scopes: frozenset[str]
    digest: bytes = field(repr=False)
    rate: Rate | None = None

    def allows(self, scope: str) -> bool:
        """`admin` may do everything; `read` and `write` do not include each other."""
        return scope in self.scopes or ADMIN in self.scopes


def digest_of(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def new_secret() -> str:
    """A fresh key, recognisable to those who scan for leaked ones."""
    return PREFIX + secrets.token_urlsafe(SECRET_BYTES)


def scopes_of(names: Iterable[str]) -> frozenset[str]:
    """Raises ValueError."""
    given = [name.strip() for name in names if name.strip()]
    unknown = [name for name in given if name not in SCOPES]
    if unknown or not given:
        found = f"no scope {unknown[0]!r}" if unknown else "no scopes"
        raise ValueError(f"{found}; there are {', '.join(SCOPES)}")
    return frozenset(given)


def named(name: str) -> str:
    """Raises ValueError, without the text: it might be a secret in the wrong place."""
    if not NAME.fullmatch(name):
        raise ValueError("a key's name is 1 to 64 letters, digits, `.`, `_` or `-`")
    return name


def hashed(text: str) -> bytes:
    """The digest behind `sha256:`. Raises ValueError."""
    digits = text.removeprefix(HASHED).lower()
    if not text.startswith(HASHED) or not DIGEST.fullmatch(digits):
        raise ValueError("a hash is `sha256:` and 64 hexadecimal digits, as `sensorium keys new` prints it")
    return bytes.fromhex(digits)


def line_of(key: Key) -> str:
    """The key's line in a file."""
    scopes = ",".join(scope for scope in SCOPES if scope in key.scopes)
    return " ".join(filter(None, [key.name, scopes, HASHED + key.digest.hex(), written_rate(key.rate)]))


def key_of_line(line: str) -> Key:
    """Raises ValueError."""
    name, scopes, digest, rate = [*line.split(), *[""] * 4][:4]
    if not digest or len(line.split()) > 4:
        raise ValueError(f"a line is {LINE}")
    return Key(named(name), scopes_of(scopes.split(",")), hashed(digest), parse_rate(rate) if rate else None)


def keys_of_file(text: str) -> Iterator[Key]:
    """The keys of a file; `#` begins a comment. Raises ValueError with the number of the line."""
    for number, line in enumerate(text.splitlines(), start=1):
        bare = line.partition("#")[0].strip()
        if bare:
            try:
                yield key_of_line(bare)
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from None


def key_of_entry(entry: str, number: int) -> Key:
    """Raises ValueError."""
    fields = entry.split(":")
    if len(fields) == 1:
        fields = [f"key-{number}", ADMIN, entry]
    name, scopes, secret = fields[0], fields[1], ":".join(fields[2:])
    if not secret or (":" in secret and not secret.startswith(HASHED)):
        raise ValueError(f"a key is {INLINE}")
    if not secret.isascii() or not secret.isprintable() or " " in secret:
        raise ValueError("a key has no blanks and only ASCII characters, or no client could send it")
    if not secret.startswith(HASHED) and len(secret) < FEWEST_CHARACTERS:
        raise ValueError(f"a key has at least {FEWEST_CHARACTERS} characters; `sensorium keys new` makes one")
    digest = hashed(secret) if secret.startswith(HASHED) else digest_of(secret)
    return Key(named(name), scopes_of(scopes.split("+")), digest)


def keys_of_list(text: str) -> Iterator[Key]:
    """The keys of a comma list. Raises ValueError with the place in the list, never with its text."""
    entries = [entry.strip() for entry in text.split(",") if entry.strip()]
    for number, entry in enumerate(entries, start=1):
        try:
            yield key_of_entry(entry, number)
        except ValueError as error:
            raise ValueError(f"key {number}: {error}") from None


def checked(keys: Iterable[Key]) -> tuple[Key, ...]:
    """The keys, where there are any and no name or secret comes twice. Raises ValueError."""
    every = tuple(keys)
    names = [key.name for key in every]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"the name {twice[0]!r} comes twice; each key has its own")
    owners: dict[bytes, str] = {}
    for key in every:
        if (owner := owners.setdefault(key.digest, key.name)) != key.name:
            raise ValueError(f"{owner!r} and {key.name!r} have the same secret; each key has its own")
    if not every:
        raise ValueError("there are no keys; `sensorium keys new` makes one")
    return every
