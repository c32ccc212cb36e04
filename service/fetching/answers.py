"""What may come back: a file of a kind that has a modality, not too large, not packed."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus

import httpx

from service.fetching.policy import FetchFailedError, FetchRefusedError

FAMILIES = frozenset({"image", "audio", "video"})
TYPES = frozenset(
    {
        "",
        "application/octet-stream",
        "binary/octet-stream",
        "application/x-npy",
        "application/ogg",
        "application/mp4",
        "application/csv",
        "text/csv",
        "text/plain",
    }
)
PAGES = frozenset({"text/html", "application/xhtml+xml"})


@dataclass
class Allowance:
    """Bytes that the files of one request may still have, together."""

    most: int
    left: int = field(init=False)

    def __post_init__(self) -> None:
        self.left = self.most

    def refusal(self) -> FetchRefusedError:
        return FetchRefusedError(
            f"the files behind a request's addresses have more than {self.most} bytes "
            "(SENSORIUM_MAX_BODY_BYTES)"
        )

    def check(self, announced: str) -> None:
        """Raises FetchRefusedError where a file says beforehand that it is too large."""
        if announced.isdecimal() and int(announced[:20]) > self.left:
            raise self.refusal()

    def take(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise self.refusal()


@dataclass(frozen=True)
class Fetched:
    """A file and the media type that its host gave."""

    data: bytes = field(repr=False)
    media_type: str | None


def check_type(response: httpx.Response, host: str) -> str | None:
    """The answer's media type. Raises FetchRefusedError for one that is no file of ours."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()[:100]
    if kind in PAGES:
        raise FetchRefusedError(
            f"{host} answered with a web page ({kind}); send the address of the file itself"
        )
    if kind.partition("/")[0] not in FAMILIES and kind not in TYPES:
        accepted = "image/*, audio/*, video/*, text/plain, text/csv and application/octet-stream"
        raise FetchRefusedError(f"{host} answered with {kind}; accepted are {accepted}")
    return kind or None


def check_head(response: httpx.Response, host: str) -> None:
    """Raises FetchFailedError for other answers than 200, FetchRefusedError for packed bodies."""
    if response.status_code != HTTPStatus.OK:
        raise FetchFailedError(f"{host} answered with status {response.status_code}")
    packed = response.headers.get("content-encoding", "").strip().lower()
    if packed not in ("", "identity"):
        raise FetchRefusedError(f"{host} answered with a packed body, though none was asked for")


async def read(response: httpx.Response, host: str, allowance: Allowance) -> Fetched:
    """The file of an answer, counted while it comes. Raises FetchRefusedError, FetchFailedError."""
    check_head(response, host)
    media_type = check_type(response, host)
    allowance.check(response.headers.get("content-length", ""))
    data = bytearray()
    async for chunk in response.aiter_raw():
        allowance.take(len(chunk))
        data += chunk
    if not data:
        raise FetchFailedError(f"{host} answered with an empty file")
    return Fetched(bytes(data), media_type)
