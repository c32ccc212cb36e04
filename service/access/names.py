"""Origins and hosts that settings name: as browsers and addresses spell them, or refused."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

ANY = "*"
# The origins of pages without a host: `null` by the standard, the other one by some embedded browsers.
NOWHERE = frozenset({"null", "file://"})
BELOW = "*."
SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")
USUAL_PORTS = {"http": 80, "https": 443}
HOSTS = "a list of names without scheme, port and path, such as media.example.org"
ORIGINS = "a list such as https://app.example.org,http://localhost:3000, or * for any"


def _ascii(name: str) -> str:
    """The name as the DNS has it, by the rules of those who ask it (IDNA 2008). Raises ValueError."""
    if name.isascii():
        return name
    import httpx  # noqa: PLC0415 - few names need it, and every command reads settings

    try:
        return httpx.URL(f"https://{name}").raw_host.decode()
    except httpx.InvalidURL as error:
        raise ValueError(str(error)) from error


def _named(text: str) -> str:
    """A host's name in small letters, or an IP address. Raises ValueError."""
    given = _ascii(text.lower().rstrip("."))
    return given if HOST.fullmatch(given) else str(ipaddress.ip_address(given.strip("[]")))


def _origin(text: str) -> str:
    parts = urlsplit(text)
    if not SCHEME.fullmatch(parts.scheme) or text != f"{parts.scheme}://{parts.netloc}" or "@" in text:
        raise ValueError(text)
    host = _named(parts.hostname or "")
    host = f"[{host}]" if ":" in host else host
    usual = parts.port is None or USUAL_PORTS.get(parts.scheme) == parts.port
    if parts.netloc.endswith(":"):
        raise ValueError(text)
    return f"{parts.scheme}://{host}" if usual else f"{parts.scheme}://{host}:{parts.port}"


def origin(text: str) -> str:
    """An origin as browsers send it: small letters, no slash at its end, no usual port. Raises ValueError."""
    given = text.lower()
    if given == ANY or given in NOWHERE:
        return given
    try:
        return _origin(given.rstrip("/"))
    except ValueError:
        raise ValueError(f"{text!r} is no origin; accepted is {ORIGINS}") from None


def host(text: str) -> str:
    """A host's name in small letters, or an IP address. Raises ValueError."""
    try:
        return _named(text)
    except ValueError:
        raise ValueError(f"{text!r} is no host's name; accepted is {HOSTS}") from None


def hosts_below(text: str) -> str:
    """A host, or `*.` and the name above all that are meant. Raises ValueError."""
    if text == ANY:
        raise ValueError("'*' is no host's name; leave the list empty for any public host")
    below = text.startswith(BELOW)
    return BELOW * below + host(text.removeprefix(BELOW))
