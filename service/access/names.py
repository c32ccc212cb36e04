"""Origins and hosts that settings name: as browsers and addresses spell them, or refused."""

from __future__ import annotations

import ipaddress
import re

ANY = "*"
NOWHERE = "null"  # the origin of a page without one, such as a file
BELOW = "*."
ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#@\s]+")
HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")
USUAL_PORTS = (("http://", ":80"), ("https://", ":443"))


def origin(text: str) -> str:
    """An origin as browsers send it: small letters, no slash at its end, no usual port. Raises ValueError."""
    given = text.lower().rstrip("/")
    if given in {ANY, NOWHERE}:
        return given
    if ORIGIN.fullmatch(given) is None:
        accepted = "a list such as https://app.example.org,http://localhost:3000, or * for any"
        raise ValueError(f"{text!r} is no origin; accepted is {accepted}")
    for scheme, port in USUAL_PORTS:
        if given.startswith(scheme):
            given = given.removesuffix(port)
    return given


def _ascii(name: str) -> str:
    try:
        return name.encode("idna").decode()
    except UnicodeError:
        return name


def host(text: str) -> str:
    """A host's name in small letters, or an IP address. Raises ValueError."""
    given = _ascii(text.lower().rstrip("."))
    if HOST.fullmatch(given) is not None:
        return given
    try:
        return str(ipaddress.ip_address(given.strip("[]")))
    except ValueError:
        accepted = "a list of names without scheme, port and path, such as media.example.org"
        raise ValueError(f"{text!r} is no host's name; accepted is {accepted}") from None


def hosts_below(text: str) -> str:
    """A host, or `*.` and the name above all that are meant. Raises ValueError."""
    if text == ANY:
        raise ValueError("'*' is no host's name; leave the list empty for any public host")
    below = text.startswith(BELOW)
    return BELOW * below + host(text.removeprefix(BELOW))
