"""Without keys, a browser on this machine is the way in: pages of strangers may not use it.

A page of any site can send forms to 127.0.0.1, which browsers mark as `Sec-Fetch-Site: cross-site`; and a
site whose name is made to point there (DNS rebinding) is of the server's origin, but under its own name.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from service.access.names import ANY
from service.errors import Fault

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


@lru_cache(64)
def is_local_name(host: str) -> bool:
    """Whether no stranger can own this name: an address, `localhost`, or a name without a dot."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith(".localhost")
    return True


def wrong_host(headers: Headers, hosts: Sequence[str]) -> Fault | None:
    """The refusal of a name that is not this server's; `hosts`: names beyond the local ones."""
    try:
        host = (urlsplit(f"//{headers.get('host', '')}").hostname or "").rstrip(".")
    except ValueError:
        host = "."
    if is_local_name(host) or host in hosts:
        return None
    message = (
        "this server listens on this machine only and is not known under the name in `host`; "
        "name it in SENSORIUM_ALLOWED_HOSTS, or set SENSORIUM_API_KEYS"
    )
    return Fault(421, message, code="wrong_host")


def is_foreign(headers: Headers) -> bool:
    """Whether a browser asks for a page of another site.

    It leaves `Sec-Fetch-Site` out where the server is neither on this machine nor behind TLS; `Origin` comes.
    """
    marked = headers.get("sec-fetch-site")
    if marked is not None:
        return marked == "cross-site"
    origin = headers.get("origin")
    return origin is not None and origin.rpartition("//")[2].lower() != headers.get("host", "").lower()


def cross_site(method: str, headers: Headers, origins: Sequence[str]) -> Fault | None:
    """The refusal of a browser that writes for a page of another site; `origins`: those that may."""
    if method in SAFE_METHODS or not is_foreign(headers):
        return None
    if ANY in origins or headers.get("origin") in origins:
        return None
    message = "pages of other sites may not use this server; name their origin in SENSORIUM_CORS_ORIGINS"
    return Fault(403, message, code="cross_site_request")
