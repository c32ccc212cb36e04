"""What browsers are told of every answer: what it may load, who may frame it, that its type is no guess.

Sources: OWASP's cheat sheets on HTTP headers and content security policy; the policy of originals follows the
one with which GitHub serves raw files.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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
PAGE_TYPES = frozenset({"text/html", "text/javascript", "application/javascript"})
EVERYWHERE: Mapping[str, str] = MappingProxyType(
    {
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "x-frame-options": "DENY",
        "cross-origin-opener-policy": "same-origin",
        "permissions-policy": "camera=(), microphone=(self), geolocation=(), payment=(), usb=()",
    }
)


class SecurityHeaders:
    """ASGI middleware; a header that the answer has stays. `embeddable`: by pages of other origins."""

    def __init__(self, app: ASGIApp, *, embeddable: bool = False) -> None:
        self.app = app
        self.resource_policy = "cross-origin" if embeddable else "same-origin"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                kind = headers.get("content-type", "").partition(";")[0].strip().lower()
                policy = PAGE_POLICY if kind in PAGE_TYPES else ANSWER_POLICY
                headers.setdefault("content-security-policy", policy)
                headers.setdefault("cross-origin-resource-policy", self.resource_policy)
                for name, value in EVERYWHERE.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_protected)
