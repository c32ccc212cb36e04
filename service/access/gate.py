"""The gate before every route: who asks, whether they may, and how often; nothing of a body is read here."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.access.keyring import Keyring
from service.access.keys import READ, SCOPES, WRITE, Key
from service.access.metering import METER
from service.access.origins import cross_site, wrong_host
from service.access.rates import Limiter, Meter
from service.access.scopes import OPEN, needed
from service.answers import Answer
from service.errors import BUSY, Fault
from service.metrics import Metrics

log = logging.getLogger(__name__)
CHALLENGE = 'Bearer realm="sensorium"'
# Weaviate's client reads `error` as a string.
WEAVIATE_PATHS = frozenset({"/vectorize", "/meta"})
# Whoever holds an IPv6 address has this many bits of others beside it.
IPV6_NETWORK_BITS = 64


class RefusedError(Exception):
    """The request ends here."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


@dataclass(frozen=True)
class Access:
    """`keyring`: None where no keys are asked for. `origins`: other origins whose pages may ask.

    `hosts`: names under which the server is known beside the local ones; None where any will do.
    """

    keyring: Keyring | None
    limiter: Limiter
    origins: Sequence[str] = ()
    hosts: Sequence[str] | None = None


def path_of(scope: Scope) -> str:
    """The path that routes see: without the prefix under which the application may hang."""
    root, path = scope.get("root_path", ""), str(scope["path"])
    return path[len(root) :] if root and path.startswith(f"{root}/") else path


def secret_of(authorization: str) -> str | None:
    """The key in an Authorization header: a bearer token, or the password of HTTP's basic scheme.

    The latter is what clients make of `http://user:KEY@host`, where an address is all that they can be told.
    """
    scheme, _, credentials = authorization.strip().partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip() or None
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(credentials.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return password or user or None


def unknown_key(message: str, challenge: str = CHALLENGE) -> RefusedError:
    headers = {"www-authenticate": challenge}
    return RefusedError(Fault(401, message, code="invalid_api_key", headers=headers))


def key_of(headers: Headers, keyring: Keyring) -> Key:
    """The key that came with the request. Raises RefusedError."""
    secret = secret_of(headers.get("authorization", ""))
    if secret is None:
        raise unknown_key("this server asks for an API key: send `Authorization: Bearer KEY`")
    key = keyring.find(secret)
    if key is None:
        message = "the API key is not one of this server's, or not any more"
        raise unknown_key(message, f'{CHALLENGE}, error="invalid_token"')
    return key


def missing_scope(key: Key, scope: str, what: str) -> RefusedError:
    has = ", ".join(each for each in SCOPES if each in key.scopes)
    message = f"{what} needs a key with the scope {scope!r}; the key {key.name!r} has {has}"
    headers = {"www-authenticate": f'{CHALLENGE}, error="insufficient_scope", scope="{scope}"'}
    return RefusedError(Fault(403, message, code="missing_scope", headers=headers))


def over_limit(meter: Meter, kind: str, seconds: float) -> RefusedError:
    limit = meter.buckets[kind].limit
    message = f"the limit of {limit:g} {kind} per minute is used up; come back in {math.ceil(seconds)} s"
    headers = {
        "retry-after": str(math.ceil(seconds)),
        "retry-after-ms": str(math.ceil(seconds * 1000)),
        **dict(meter.headers()),
    }
    return RefusedError(Fault(429, message, BUSY, code="rate_limit_exceeded", headers=headers))


@lru_cache(1024)
def network_of(host: str) -> str:
    """An address as it is, but an IPv6 one as its network."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is None:
        return str(ipaddress.ip_network((address, IPV6_NETWORK_BITS), strict=False))
    return str(address)


def address_of(scope: Scope) -> str:
    """The caller's address, an IPv6 one as its network."""
    return network_of(str((scope.get("client") or ("unknown", 0))[0]))


class ToolGate:
    """ASGI middleware before tools that read and write: every request needs a key with both scopes."""

    def __init__(self, app: ASGIApp, keyring: Keyring) -> None:
        self.app = app
        self.keyring = keyring

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if scope["type"] == "http":
                key = key_of(Headers(scope=scope), self.keyring)
                lacking = next((each for each in (READ, WRITE) if not key.allows(each)), None)
                if lacking is not None:
                    raise missing_scope(key, lacking, "these tools")
        except RefusedError as refused:
            await refused.fault.answer()(scope, receive, send)
            return
        await self.app(scope, receive, send)


class Gate:
    """ASGI middleware; what it refuses costs neither a body nor a place in a queue."""

    def __init__(self, app: ASGIApp, access: Access, metrics: Metrics) -> None:
        self.app = app
        self.access = access
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            meter = self._admitted(scope)
        except RefusedError as refused:
            self.metrics.refused(refused.fault.code)
            await self._answer(refused.fault, scope)(scope, receive, send)
            return
        if meter is None:
            await self.app(scope, receive, send)
            return

        async def send_with_limits(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in meter.headers():
                    headers[name] = value
            await send(message)

        token = METER.set(meter)
        try:
            await self.app(scope, receive, send_with_limits)
        finally:
            METER.reset(token)

    def _admitted(self, scope: Scope) -> Meter | None:
        """The caller's meter, with this request taken from it. Raises RefusedError."""
        required = needed(scope["method"], path_of(scope))
        key = self._key(scope, required)
        if required == OPEN:
            return None
        if key is None:
            meter = self.access.limiter.meter(f"address {address_of(scope)}")
        else:
            meter = self.access.limiter.meter(f"key {key.name}", key.rate)
        empty = meter.admit() if meter else None
        if meter and empty:
            raise over_limit(meter, *empty)
        return meter

    def _key(self, scope: Scope, required: str | None) -> Key | None:
        """The caller's key, where one is asked for. Raises RefusedError."""
        headers = Headers(scope=scope)
        if self.access.keyring is None:
            self._check_browser(scope["method"], headers)
            return None
        if required == OPEN:
            return None
        key = key_of(headers, self.access.keyring)
        scope.get("log", {})["key"] = key.name
        if required is not None and not key.allows(required):
            raise missing_scope(key, required, f"{scope['method']} {scope['path']}")
        return key

    def _check_browser(self, method: str, headers: Headers) -> None:
        """Raises RefusedError."""
        fault = cross_site(method, headers, self.access.origins)
        if fault is None and self.access.hosts is not None:
            fault = wrong_host(headers, self.access.hosts)
        if fault is not None:
            raise RefusedError(fault)

    def _answer(self, fault: Fault, scope: Scope) -> Answer:
        if path_of(scope) not in WEAVIATE_PATHS:
            return fault.answer()
        told = fault.object()
        body = {"error": told["message"], "code": told["code"], "param": None}
        return Answer(body, fault.status, headers=dict(fault.headers))
