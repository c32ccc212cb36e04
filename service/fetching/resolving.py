"""Names -> addresses, all of which have to be public."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from service.daemon import in_daemon_thread
from service.fetching.networks import is_public, parsed
from service.fetching.policy import FetchRefusedError

Resolve: TypeAlias = Callable[[str], Awaitable[Sequence[str]]]


async def resolve(host: str) -> list[str]:
    """Every A and AAAA answer, in the order to be tried. Raises OSError.

    The name is asked for as it stands, never with one of the machine's own domains behind it.
    """

    def lookup() -> list[str]:
        return [str(each[4][0]) for each in socket.getaddrinfo(f"{host}.", None, type=socket.SOCK_STREAM)]

    return list(dict.fromkeys(await in_daemon_thread(lookup)))


async def public_addresses(host: str, resolve: Resolve) -> Sequence[str]:
    """Where `host` leads. Raises FetchRefusedError.

    One error for names that lead nowhere and for those that lead inside, so that nobody learns from it
    which names there are inside.
    """
    try:
        found = [host] if parsed(host) else await resolve(host)
    except (OSError, UnicodeError):
        found = []
    if not found or not all(map(is_public, found)):
        raise FetchRefusedError(f"{host} does not lead to public addresses alone")
    return found
