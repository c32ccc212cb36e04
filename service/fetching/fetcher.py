"""The guarded fetcher: every hop is checked, resolved, checked again and asked at the address it led to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from importlib.metadata import version

import httpx

from service.errors import OverloadedError, UnusableValueError
from service.fetching.answers import Allowance, Fetched, read
from service.fetching.policy import FetchFailedError, FetchRefusedError, Policy
from service.fetching.resolving import Resolve, public_addresses, resolve

MOST_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})
MOST_AT_ONCE = 32
MOST_AT_ONCE_OF_A_REQUEST = 8
MOST_WAITING = 512
# All files of a request have to come within so many times the time of one.
PATIENCE = 6
# Of the addresses of a host so many are tried, each for a share of the time.
ADDRESSES_TRIED = 3
USER_AGENT = f"sensorium/{version('sensorium')}"
HEADERS = {"user-agent": USER_AGENT, "accept": "*/*", "accept-encoding": "identity", "connection": "close"}


def direct_transport() -> httpx.AsyncBaseTransport:
    """Connections that are never shared and never go through a proxy of the environment."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    return httpx.AsyncHTTPTransport(trust_env=False, limits=limits)


@dataclass(frozen=True, eq=False)
class Errand:
    """The fetches of one request: what they may weigh together, how many run at once, until when."""

    allowance: Allowance
    turns: asyncio.Semaphore
    ends: float


class Fetcher:
    """`resolve` and `transport` may be handed in: where names lead, and what carries requests there."""

    def __init__(
        self, policy: Policy, resolve: Resolve = resolve, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self.policy = policy
        self.resolve = resolve
        self._transport = transport
        self._slots = asyncio.Semaphore(MOST_AT_ONCE)
        self._waiting = 0

    @property
    def transport(self) -> httpx.AsyncBaseTransport:
        """Made at the first fetch: reading the certificates of authorities takes a while."""
        if self._transport is None:
            self._transport = direct_transport()
        return self._transport

    def errand(self) -> Errand:
        """What the fetches of one request share."""
        ends = asyncio.get_running_loop().time() + PATIENCE * self.policy.seconds
        turns = asyncio.Semaphore(MOST_AT_ONCE_OF_A_REQUEST)
        return Errand(Allowance(self.policy.most_bytes), turns, ends)

    @contextmanager
    def admission(self, count: int) -> Iterator[None]:
        """Room for so many fetches. Raises OverloadedError."""
        if self._waiting and self._waiting + count > MOST_WAITING:
            raise OverloadedError("too many addresses are being fetched; come back a little later")
        self._waiting += count
        try:
            yield
        finally:
            self._waiting -= count

    async def fetch(self, address: str, errand: Errand) -> Fetched:
        """The file behind an address. Raises FetchRefusedError, FetchFailedError."""
        if not self.policy.enabled:
            raise UnusableValueError(
                "fetching of addresses is not switched on (SENSORIUM_FETCH=public does); send the file "
                "itself as base64, bare or as a data URI (data:image/png;base64,...)",
                code="fetching_not_enabled",
            )
        url = self.policy.check(address)
        host = url.raw_host.decode("ascii")
        try:
            async with asyncio.timeout_at(errand.ends), errand.turns, self._slots:
                async with asyncio.timeout(self.policy.seconds):
                    return await self._follow(url, errand.allowance)
        except TimeoutError as error:
            raise FetchFailedError(
                f"the file of {host} did not come within {self.policy.seconds:g} s"
            ) from error
        except (httpx.HTTPError, OSError) as error:
            raise FetchFailedError(f"{host} broke off or did not answer as HTTP wants it") from error

    async def _follow(self, url: httpx.URL, allowance: Allowance) -> Fetched:
        for _ in range(MOST_REDIRECTS + 1):
            host = url.raw_host.decode("ascii")
            async with self._answer(url, host) as response:
                if response.status_code not in REDIRECTS:
                    return await read(response, host, allowance)
                url = self._next(url, response)
        raise FetchRefusedError(f"more than {MOST_REDIRECTS} redirects")

    def _next(self, url: httpx.URL, response: httpx.Response) -> httpx.URL:
        try:
            target = str(url.join(response.headers.get("location", "")))
        except (httpx.InvalidURL, UnicodeError) as error:
            raise FetchRefusedError("the host redirects to a malformed address") from error
        return self.policy.check(target)

    @asynccontextmanager
    async def _answer(self, url: httpx.URL, host: str) -> AsyncIterator[httpx.Response]:
        response = await self._ask(url, host, await public_addresses(host, self.resolve))
        try:
            yield response
        finally:
            await response.aclose()

    async def _ask(self, url: httpx.URL, host: str, addresses: Sequence[str]) -> httpx.Response:
        """The answer of the first of the checked addresses that can be reached."""
        for address in addresses[:ADDRESSES_TRIED]:
            request = httpx.Request(
                "GET",
                url.copy_with(host=address, fragment=None),
                headers={"host": url.netloc.decode("ascii"), **HEADERS},
                extensions={"sni_hostname": host, "timeout": self._timeouts},
            )
            try:
                return await self.transport.handle_async_request(request)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        raise FetchFailedError(f"{host} cannot be reached, or has no certificate for its name")

    @property
    def _timeouts(self) -> dict[str, float]:
        seconds = self.policy.seconds
        return {"connect": seconds / ADDRESSES_TRIED, "read": seconds, "write": seconds, "pool": seconds}

    async def close(self) -> None:
        if self._transport is not None:
            await self._transport.aclose()
