"""What browsers are told of every answer: what it may load, who may frame it, that its type is no guess.

Sources: OWASP's cheat sheets on HTTP headers and content security policy; the policy of originals follows the
one with which GitHub serves raw files.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeAlias

from starlette.types import ASGIApp, Message, Receive, Scope, Send

RawHeaders: TypeAlias = tuple[tuple[bytes, bytes], ...]

# `data:` and `blob:` are pictures and sounds that a page holds in memory: those just dropped, or fetched with
# a key. Neither scripts nor styles may stand inline.
PAGE_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' data: blob:; worker-src 'self' blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
ANSWER_POLICY = "default-src 'none'; frame-ancestors 'none'"
ORIGINAL_POLICY = "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; sandbox"
# Scripts too: a worker lives under the policy of its own file.
PAGE_TYPES = frozenset({b"text/html", b"text/javascript", b"application/javascript"})
EVERYWHERE: Mapping[str, str] = MappingProxyType(
    {
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "x-frame-options": "DENY",
        "cross-origin-opener-policy": "same-origin",
        "permissions-policy": "camera=(), microphone=(self), geolocation=(), payment=(), usb=()",
    }
)


def raw(headers: Mapping[str, str]) -> RawHeaders:
    return tuple((name.encode(), value.encode()) for name, value in headers.items())


class SecurityHeaders:
    """ASGI middleware; a header that the answer has stays. `embeddable`: by pages of other origins."""

    def __init__(self, app: ASGIApp, *, embeddable: bool = False) -> None:
        self.app = app
        resources = {"cross-origin-resource-policy": "cross-origin" if embeddable else "same-origin"}
        self.of_pages = raw({"content-security-policy": PAGE_POLICY, **resources, **EVERYWHERE})
        self.of_answers = raw({"content-security-policy": ANSWER_POLICY, **resources, **EVERYWHERE})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = dict(message.get("headers", ()))
                kind = given.get(b"content-type", b"").partition(b";")[0].strip().lower()
                added = self.of_pages if kind in PAGE_TYPES else self.of_answers
                missing = (header for header in added if header[0] not in given)
                message["headers"] = [*message.get("headers", ()), *missing]
            await send(message)

        await self.app(scope, receive, send_protected)
