"""A running server as the commands see it: asked again where it is busy or lost for a moment."""

from __future__ import annotations

import re
import time
from typing import Any, Self

import httpx

PATIENCE_S = 300.0
ATTEMPTS = 8
LONGEST_WAIT_S = 30.0
BUSY = frozenset({429, 502, 503, 504})
UNAUTHORIZED = 401
NUMBER = re.compile(r"\[Errno -?\d+\] ")
KEY_GOES = "give the commands one with --key KEY or in SENSORIUM_API_KEY"


class ServerError(Exception):
    """No answer, or one that says what is wrong."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Server:
    """A running server; asked again, `attempts` times in all, where it is busy or lost for a moment."""

    def __init__(
        self,
        url: str,
        key: str | None,
        *,
        attempts: int = ATTEMPTS,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        self.attempts = attempts
        try:
            self.http = httpx.Client(base_url=url, headers=headers, timeout=PATIENCE_S, transport=transport)
        except (httpx.InvalidURL, TypeError, UnicodeError) as error:
            raise ServerError(f"{url!r} is no address of a server: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def ask(self, method: str, path: str, body: Any = None, **query: Any) -> httpx.Response:
        """Raises ServerError where no answer can be had."""
        problem = "it is busy"
        for attempt in range(self.attempts):
            try:
                answer = self.http.request(method, path, json=body, params=query or None)
            except httpx.UnsupportedProtocol as error:
                raise ServerError(f"{self.http.base_url} is no address of a server: {error}") from error
            except httpx.HTTPError as error:
                problem, pause = (
                    NUMBER.sub("", str(error)) or type(error).__name__,
                    min(2.0**attempt / 4, LONGEST_WAIT_S),
                )
            else:
                if answer.status_code not in BUSY or attempt == self.attempts - 1:
                    return answer
                pause = min(float(answer.headers.get("retry-after", 1)), LONGEST_WAIT_S)
            if attempt < self.attempts - 1:
                time.sleep(pause)
        raise ServerError(f"no answer from {self.http.base_url}: {problem}")

    def expect(self, method: str, path: str, body: Any = None, **query: Any) -> dict[str, Any]:
        """The JSON of an answer that succeeds. Raises ServerError with the server's words."""
        answer = self.ask(method, path, body, **query)
        if not answer.is_success:
            raise ServerError(words_of(answer))
        value: dict[str, Any] = answer.json()
        return value


def words_of(answer: httpx.Response) -> str:
    """What the server says went wrong; where it is about the key, how the commands are given one."""
    try:
        message = str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        message = f"the server answered {answer.status_code} to {answer.request.method} {answer.request.url}"
    return f"{message} ({KEY_GOES})" if answer.status_code == UNAUTHORIZED else message
