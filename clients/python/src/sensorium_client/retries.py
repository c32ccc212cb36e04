"""When a call is tried again, and after how long. Every call of the API may be repeated without harm."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import httpx

from sensorium_client.calls import Call
from sensorium_client.errors import (
    ConnectionFailedError,
    SensoriumError,
    TimedOutError,
    error_object,
    error_of,
)
from sensorium_client.wire import json_of

T = TypeVar("T")

BUSY = frozenset({429, 502, 503, 504})
ASKED_TO_WAIT = frozenset({429, 503})
LASTING = frozenset({"damaged"})
MOST_DOUBLINGS = 60
LONGEST_ERROR_WITHOUT_RESULTS = 400
# What a lost connection is; a server that merely takes long is not asked again, which would double its work.
LOST = (httpx.NetworkError, httpx.RemoteProtocolError, httpx.ConnectTimeout, httpx.PoolTimeout)


@dataclass(frozen=True)
class Retries:
    """`attempts` in all; waits grow from `first_s` by doubling to `longest_s`, with a random share.

    `busy_s`: for so long a server that is busy or loading is asked again, however many attempts that takes.
    """

    attempts: int = 5
    first_s: float = 0.25
    longest_s: float = 30.0
    busy_s: float = 0.0

    def patient(self, seconds: float) -> Retries:
        """The same for work that may wait; where nothing is tried again, nothing is."""
        return self if self.attempts <= 1 else replace(self, busy_s=max(self.busy_s, seconds))

    def backoff(self, attempt: int) -> float:
        """Seconds after the attempt of this number, from 1."""
        wait: float = min(self.longest_s, self.first_s * 2.0 ** min(attempt - 1, MOST_DOUBLINGS))
        return wait * random.uniform(0.5, 1.0)  # noqa: S311 - spreads callers, hides nothing

    def after_answer(self, attempt: int, response: httpx.Response, gone_s: float = 0.0) -> float | None:
        """Seconds to wait before trying again; None: the answer counts. `gone_s`: since the first attempt."""
        given_up = attempt >= self.attempts and not (
            response.status_code in ASKED_TO_WAIT and gone_s < self.busy_s
        )
        if response.status_code not in BUSY or given_up or is_lasting(response):
            return None
        asked = retry_after(response)
        if asked is None:
            return self.backoff(attempt)
        # Who has asked often waits even where the server says "at once".
        shortest = self.backoff(attempt) if attempt >= self.attempts else 0.0
        return min(max(asked, shortest), self.longest_s)

    def after_loss(self, attempt: int, error: httpx.RequestError) -> float:
        """Seconds to wait before trying again. Raises ConnectionFailedError or TimedOutError."""
        if not isinstance(error, LOST):
            if isinstance(error, httpx.TimeoutException):
                raise TimedOutError(f"no answer in time: {error or type(error).__name__}") from error
            raise ConnectionFailedError(str(error)) from error
        if attempt >= self.attempts:
            said = str(error) or type(error).__name__
            raise ConnectionFailedError(f"no answer after {attempt} attempts: {said}") from error
        return self.backoff(attempt)


def is_lasting(response: httpx.Response) -> bool:
    """Whether the server says of itself that somebody has to mend something first."""
    try:
        return error_object(response.json()).get("code") in LASTING
    except ValueError:
        return False


def retry_after(response: httpx.Response) -> float | None:
    """The header's seconds, given as a number or as a date; None where it says nothing."""
    value = response.headers.get("retry-after", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    # "-0000" is a time in UTC, too, of a clock whose place is not told (RFC 5322, section 3.3).
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def request_words(call: Call[Any]) -> dict[str, Any]:
    """The keyword arguments of httpx's `request`. Raises UnusableInputError."""
    words: dict[str, Any] = {"method": call.method, "url": call.path, "params": dict(call.params)}
    if call.body is not None:
        words["content"] = call.body if isinstance(call.body, bytes) else json_of(call.body)
        words["headers"] = {"content-type": "application/json"}
    return words


def result_of(call: Call[T], response: httpx.Response) -> T:
    """Raises AnswerError, or SensoriumError where the answer is none of Sensorium's."""
    if response.status_code >= LONGEST_ERROR_WITHOUT_RESULTS and not (
        response.status_code in call.accepted and b'"results"' in response.content
    ):
        raise error_of(response)
    if response.is_redirect:
        raise SensoriumError(
            f"{response.url} answered {response.status_code}, to be found at {response.headers['location']}; "
            "give the client that server's address"
        )
    try:
        return call.read(response.content if call.raw else response.json())
    except (ValueError, KeyError, TypeError) as error:
        raise SensoriumError(f"{response.url} answered something that is not Sensorium's") from error
