"""One table from exceptions to what a client sees: status, type and code of OpenAI's error object."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from index import errors as index_errors
from models.errors import (
    MediaError,
    MediaTooLargeError,
    ParameterError,
    SensoriumError,
    UnknownModalityError,
    UnknownModelError,
    UnsupportedMediaError,
)
from models.modalities import MODALITIES
from service.answers import Answer

log = logging.getLogger(__name__)

# Whether the message of an error stands in `detail` too: Voyage's client takes it from there.
WITH_DETAIL: ContextVar[bool] = ContextVar("with_detail", default=False)
RETRY_AFTER_S = "1"
# Somebody has to come and make room, or restore a backup.
RETRY_AFTER_REPAIR_S = "60"
LONGEST_MESSAGE = 600
UNKNOWN_ERROR = (
    "The server met an unexpected error; its log holds the cause under this answer's x-request-id."
)


class OverloadedError(SensoriumError):
    """There is no room now: the caller should come back after `retry_after_s`, whole seconds."""

    code = "overloaded"

    def __init__(self, message: str, *, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class NotReadyError(SensoriumError):
    """The model is still loading, or the encoders have stopped."""

    code = "not_ready"


class SettingError(SensoriumError):
    """A setting that cannot be used on this machine."""

    code = "unusable_setting"


class TooLargeError(SensoriumError):
    """A request with more items, parts or bytes than the settings allow."""

    code = "request_too_large"


class WrongTypeError(SensoriumError):
    """A request body of a media type that the endpoint does not read."""

    code = "unsupported_media_type"


class UnknownPathError(SensoriumError):
    """A path that names no modality."""

    code = "unknown_modality"


class UnknownLabelSetError(SensoriumError):
    """No label set of this name."""

    code = "label_set_not_found"


class UnknownJobError(SensoriumError):
    """No job of this id."""

    code = "job_not_found"


class UnusableValueError(SensoriumError):
    """A well-formed value that cannot be used, such as malformed base64 or weights that cancel out."""

    code = "unusable_value"


def unknown_modality(name: str, known: Iterable[str] = MODALITIES) -> ParameterError:
    """The error for a name that stands where one of the `known` modalities should."""
    message = f"no modality {name!r}; there are {', '.join(known)}"
    return ParameterError(message, code="unknown_modality")


class LocatedError(Exception):
    """An error together with the place in the request that caused it, such as `input[3]`."""

    def __init__(self, cause: Exception, param: str) -> None:
        super().__init__(f"{param}: {cause}")
        self.cause = cause
        self.param = param


INVALID, BUSY, SERVER = "invalid_request_error", "rate_limit_error", "server_error"

# The nearest class in an exception's ancestry decides.
TABLE: Mapping[type[Exception], tuple[int, str]] = MappingProxyType(
    {
        ParameterError: (400, INVALID),
        UnknownModalityError: (400, INVALID),
        index_errors.ParameterError: (400, INVALID),
        UnknownModelError: (404, INVALID),
        UnknownPathError: (404, INVALID),
        UnknownJobError: (404, INVALID),
        UnknownLabelSetError: (404, INVALID),
        index_errors.UnknownCollection: (404, INVALID),
        index_errors.UnknownItem: (404, INVALID),
        index_errors.NoMedia: (404, INVALID),
        index_errors.IdentityMismatch: (409, INVALID),
        index_errors.Locked: (409, INVALID),
        TooLargeError: (413, INVALID),
        MediaTooLargeError: (413, INVALID),
        WrongTypeError: (415, INVALID),
        UnsupportedMediaError: (415, INVALID),
        MediaError: (422, INVALID),
        UnusableValueError: (422, INVALID),
        index_errors.VectorError: (422, INVALID),
        OverloadedError: (429, BUSY),
        NotReadyError: (503, SERVER),
        index_errors.Closed: (503, SERVER),
        index_errors.Damaged: (503, SERVER),
        index_errors.StorageFull: (507, SERVER),
    }
)
CODES_OF_STATUS: Mapping[int, str] = MappingProxyType(
    {
        404: "not_found",
        405: "method_not_allowed",
        408: "request_timeout",
        413: "request_too_large",
        429: "overloaded",
    }
)
# The parameter that these are about, wherever they come up.
PARAMS: Mapping[type[Exception], str] = MappingProxyType(
    {UnknownModelError: "model", index_errors.CursorError: "cursor"}
)


@dataclass(frozen=True)
class Fault:
    """An exception as a client sees it."""

    status: int
    message: str
    type: str = INVALID
    param: str | None = None
    code: str = "invalid_request"
    headers: Mapping[str, str] = field(default_factory=dict)

    def object(self) -> dict[str, Any]:
        """OpenAI's error object."""
        message = self.message
        if len(message) > LONGEST_MESSAGE:
            message = f"{message[:LONGEST_MESSAGE]}..."
        return {"message": message, "type": self.type, "param": self.param, "code": self.code}

    def answer(self) -> Answer:
        told = self.object()
        body = {"error": told, "detail": told["message"]} if WITH_DETAIL.get() else {"error": told}
        return Answer(body, self.status, headers=dict(self.headers))


def fault_of_class(error: Exception, param: str | None) -> Fault:
    """The row of the nearest class in the error's ancestry."""
    for ancestor in type(error).__mro__:
        if ancestor in TABLE:
            status, kind = TABLE[ancestor]
            repair = isinstance(error, index_errors.Damaged | index_errors.StorageFull)
            seconds = RETRY_AFTER_REPAIR_S if repair else str(getattr(error, "retry_after_s", RETRY_AFTER_S))
            headers = {"retry-after": seconds} if status in {429, 503, 507} else {}
            code: str = getattr(error, "code", Fault.code)
            place = param or PARAMS.get(type(error))
            return Fault(status, getattr(error, "message", str(error)), kind, place, code, headers)
    log.error("unexpected error", exc_info=error, extra={"param": param})
    return Fault(500, UNKNOWN_ERROR, SERVER, param, "internal_error")


def place_of(location: tuple[str | int, ...]) -> str | None:
    """`("body", "items", 2, "id")` -> `items[2].id`; None for the body as a whole."""
    place = ""
    for step in location[1:]:
        place += f"[{step}]" if isinstance(step, int) else f".{step}" if place else step
    return place or None


def fault_of_validation(error: RequestValidationError) -> Fault:
    """The first fault that pydantic or the JSON reader found, with the field's name."""
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return Fault(
            400, f"the body is not valid JSON in UTF-8: {first['ctx']['error']}", code="invalid_json"
        )
    place = place_of(first["loc"])
    if place is None and first["type"] == "value_error":
        return Fault(400, first["msg"].removeprefix("Value error, "), code="invalid_parameter")
    if place is None and first.get("input") is None:
        return Fault(400, "the request needs a body: a JSON object", code="missing_body")
    if place is None:
        return Fault(400, "the body is no JSON object; accepted is one", code="invalid_parameter")
    code = "unknown_parameter" if first["type"] == "extra_forbidden" else "invalid_parameter"
    said = first["msg"].removeprefix("Value error, ")
    return Fault(400, f"{place}: {said}", param=place, code=code)


def fault_of_status(error: HTTPException) -> Fault:
    """Errors of the framework itself: no such route, no such method, an unreadable form."""
    code = CODES_OF_STATUS.get(error.status_code, Fault.code)
    kind = INVALID if error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR else SERVER
    kind = BUSY if error.status_code == HTTPStatus.TOO_MANY_REQUESTS else kind
    message = error.detail or HTTPStatus(error.status_code).phrase
    return Fault(error.status_code, message, kind, code=code, headers=error.headers or {})


def fault_of(error: Exception) -> Fault:
    """What a client is told about `error`; the cause of an unknown one goes to the log only."""
    if isinstance(error, LocatedError):
        return fault_of_class(error.cause, error.param)
    if isinstance(error, RequestValidationError):
        return fault_of_validation(error)
    if isinstance(error, HTTPException):
        return fault_of_status(error)
    return fault_of_class(error, None)


def allowed_methods(request: Request) -> list[str]:
    """The methods of all routes at the request's path; the router itself tells only those of the first."""
    routes = [route for route in request.app.state.routes if route.matches(request.scope)[0] != Match.NONE]
    methods = {method for route in routes for method in route.methods}
    return sorted(methods | {"HEAD"} if "GET" in methods else methods)


def fault_of_routing(request: Request, error: HTTPException) -> Fault:
    """A wrong path or method is told what there is."""
    fault = fault_of_status(error)
    if error.status_code == HTTPStatus.NOT_FOUND:
        path = request.url.path
        message = f"there is no path {path!r}; /openapi.json lists all, none of which ends with a slash"
        return replace(fault, message=message)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = ", ".join(allowed_methods(request))
        message = f"{request.method} is not accepted here; accepted: {allowed}"
        return replace(fault, message=message, headers={"allow": allowed})
    return fault


async def answer_error(request: Request, error: Exception) -> Answer:
    fault = fault_of_routing(request, error) if isinstance(error, HTTPException) else fault_of(error)
    request.app.state.engine.metrics.refused(fault.code)
    return fault.answer()


KNOWN: tuple[type[Exception], ...] = (*TABLE, LocatedError, RequestValidationError, HTTPException)
"""The errors that have an answer of their own."""


def install(app: FastAPI) -> None:
    """Answer every known error with its row of the table; unknown ones pass to the outermost layer."""
    for kind in KNOWN:
        app.add_exception_handler(kind, answer_error)
