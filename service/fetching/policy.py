"""What may be fetched, as far as an address itself tells, and the errors of fetching."""

from __future__ import annotations

import re
from dataclasses import dataclass

import httpx

from service.errors import UnusableValueError
from service.fetching.networks import parsed
from service.settings import Settings

LONGEST_ADDRESS = 2048
# The last label begins with a letter, so that 127.1, 0x7f.1 and 2130706433 are no names.
NAME = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])"
)
UNPRINTABLE = re.compile(r"[\x00-\x20\x7f\\]")


class FetchRefusedError(UnusableValueError):
    """An address that is not fetched, or a file behind one that is not taken."""

    code = "fetch_refused"


class FetchFailedError(UnusableValueError):
    """A file that could not be had: no answer in time, an error of the host, a broken connection."""

    code = "fetch_failed"


@dataclass(frozen=True)
class Policy:
    """`hosts`: names, or `*.example.org` for all below; none given: any public host.

    `most_bytes` of all files of a request together; `seconds` for one file from first to last byte.
    """

    enabled: bool = False
    http: bool = False
    hosts: tuple[str, ...] = ()
    most_bytes: int = 50_000_000
    seconds: float = 10.0

    @classmethod
    def of(cls, settings: Settings) -> Policy:
        return cls(
            enabled=settings.fetch == "public",
            http=settings.fetch_http,
            hosts=settings.fetch_hosts,
            most_bytes=settings.max_body_bytes,
            seconds=settings.fetch_timeout_s,
        )

    @property
    def schemes(self) -> tuple[str, ...]:
        return ("https", "http") if self.http else ("https",)

    def listed(self, host: str) -> bool:
        return not self.hosts or any(
            host.endswith(each[1:]) if each.startswith("*.") else host == each for each in self.hosts
        )

    def check(self, address: str) -> httpx.URL:
        """The address in its parts. Raises FetchRefusedError where its text alone says no."""
        if len(address) > LONGEST_ADDRESS or UNPRINTABLE.search(address):
            raise FetchRefusedError(
                f"an address has at most {LONGEST_ADDRESS} characters and no blanks, control "
                "characters or backslashes"
            )
        try:
            url = httpx.URL(address)
        except httpx.InvalidURL as error:
            raise FetchRefusedError("the address is malformed") from error
        self._check_scheme(url)
        self._check_host(url)
        return url

    def _check_scheme(self, url: httpx.URL) -> None:
        if url.scheme == "http" and not self.http:
            raise FetchRefusedError("http is not fetched; use https, or switch SENSORIUM_FETCH_HTTP=true")
        if url.scheme not in self.schemes:
            raise FetchRefusedError(f"only {' and '.join(self.schemes)} addresses are fetched")

    def _check_host(self, url: httpx.URL) -> None:
        host = url.raw_host.decode("ascii")
        host = str(parsed(host) or host)
        if url.userinfo:
            raise FetchRefusedError("the address holds a user or password, which are not sent")
        if url.port is not None:
            raise FetchRefusedError(f"only the usual port of {url.scheme} is asked, not {url.port}")
        if parsed(host) is None and NAME.fullmatch(host) is None:
            raise FetchRefusedError(
                "the host has to be a full name such as media.example.org, or a plain IP address"
            )
        if not self.listed(host):
            raise FetchRefusedError(
                f"{host} is not among the hosts that files are fetched from (SENSORIUM_FETCH_HOSTS)"
            )
