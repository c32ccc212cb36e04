"""What can go wrong: one class for each kind of answer, with everything the server said about it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import httpx


class SensoriumError(Exception):
    """Everything that this package raises."""


class UnusableInputError(SensoriumError):
    """An input that cannot be sent, such as a file that cannot be read or an array of the wrong shape."""


class ConnectionFailedError(SensoriumError):
    """No answer came, after all attempts."""


class TimedOutError(SensoriumError):
    """The server did not answer in time."""


class AnswerError(SensoriumError):
    """The server refused.

    `status`: HTTP status. `message`, `code`, `param` (the place in the request, such as `input[3]`) and
    `type` as the server says them. `request_id` names the request in the server's log. `body`: the answer.
    """

    def __init__(self, status: int, error: Mapping[str, Any], request_id: str | None, body: Any) -> None:
        self.status = status
        self.message = str(error.get("message") or f"the server answered {status}")
        self.code: str | None = error.get("code")
        self.param: str | None = error.get("param")
        self.type: str | None = error.get("type")
        self.request_id = request_id
        self.body = body
        facts = {"code": self.code, "param": self.param, "request": request_id}
        said = ", ".join(f"{name} {value}" for name, value in facts.items() if value is not None)
        super().__init__(f"{status}: {self.message}" + (f" ({said})" if said else ""))


class BadRequestError(AnswerError):
    """400: a parameter that is unknown or outside its range."""


class NotAllowedError(AnswerError):
    """401 or 403: the key is missing or not enough."""


class NotFoundError(AnswerError):
    """404: no such model, collection or item."""


class ConflictError(AnswerError):
    """409: the collection belongs to another model."""


class TooLargeError(AnswerError):
    """413: the body, the number of items or what a file claims is over a limit."""


class WrongTypeError(AnswerError):
    """415: a kind of file that the modality does not take."""


class UnusableMediaError(AnswerError):
    """422: media or a value that cannot be used."""


class OverloadedError(AnswerError):
    """429: the server's queue stayed full through all attempts."""


class ServerFailedError(AnswerError):
    """5xx; 503 means not ready, through all attempts."""


INPUT = re.compile(r"^input\[(\d+)\]")


def counted_from(first: int, error: AnswerError) -> AnswerError:
    """The refusal of a request that began with input `first`: `param` names the place among all inputs."""
    if error.param is None or first == 0:
        return error
    place = INPUT.sub(lambda found: f"input[{first + int(found[1])}]", error.param)
    told = {"message": error.message, "code": error.code, "param": place, "type": error.type}
    return type(error)(error.status, told, error.request_id, error.body)


def may_be_halved(error: AnswerError) -> bool:
    """Whether it is the request that is too large (said by the server or a proxy), and no file in it."""
    return isinstance(error, TooLargeError) and error.code in {"request_too_large", None}


OF_STATUS: Mapping[int, type[AnswerError]] = {
    400: BadRequestError,
    401: NotAllowedError,
    403: NotAllowedError,
    404: NotFoundError,
    409: ConflictError,
    413: TooLargeError,
    415: WrongTypeError,
    422: UnusableMediaError,
    429: OverloadedError,
}
FIRST_SERVER_ERROR = 500


def error_object(body: Any) -> Mapping[str, Any]:
    """The `error` of an answer, or nothing where something else than Sensorium answered."""
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, dict):
        return error
    return {"message": error} if isinstance(error, str) else {}


def error_of(response: httpx.Response) -> AnswerError:
    """The exception for an answer that is no success."""
    try:
        body = response.json()
    except ValueError:
        body = response.text
    status = response.status_code
    kind = OF_STATUS.get(status, ServerFailedError if status >= FIRST_SERVER_ERROR else AnswerError)
    return kind(status, error_object(body), response.headers.get("x-request-id"), body)
