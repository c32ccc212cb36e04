"""Log lines on stderr, each with the id of the request that caused it; keys and media never stand in them."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import orjson

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
# uvicorn repeats its messages with colours.
STANDARD_FIELDS = frozenset({*vars(logging.makeLogRecord({})), "message", "color_message"})


# Whatever a library or a traceback may carry along: keys, and anything as long as a file in base64.
SECRETS = re.compile(
    r"(?P<scheme>\b(?:bearer|basic)\s+)[^\s\\\x22',]+|\bsensorium_[A-Za-z0-9_-]{16,}|[A-Za-z0-9+/_-]{200,}={0,2}",
    re.IGNORECASE,
)
# Where none of these stands in a line, no pattern but that of long runs can match.
MARKS = ("bearer", "basic", "sensorium_")
LONG_RUN = re.compile(r"[A-Za-z0-9+/_-]{200}")
# What would move a terminal's cursor, or begin a line that no logger wrote.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# These print what they read at their most talkative level.
TALKATIVE = ("PIL", "faiss.loader", "httpcore", "httpx", "python_multipart", "multipart")


def redacted(text: str) -> str:
    """`text` without keys and long runs of base64."""
    lowered = text.lower()
    if not any(mark in lowered for mark in MARKS) and LONG_RUN.search(text) is None:
        return text
    return SECRETS.sub(lambda found: f"{found['scheme'] or ''}[redacted]", text)


@lru_cache(2)
def second_of(epoch_s: int) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def time_of(record: logging.LogRecord) -> str:
    """ISO 8601 in UTC, with milliseconds."""
    return f"{second_of(int(record.created))}.{int(record.created % 1 * 1000):03}+00:00"


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """The record's `extra` fields, and the traceback as `cause`."""
    extra = {key: value for key, value in vars(record).items() if key not in STANDARD_FIELDS}
    if record.exc_info:
        extra["cause"] = logging.Formatter().formatException(record.exc_info)
    return extra


class JSONLines(logging.Formatter):
    """One JSON object per line: time, level, logger, message, request_id and the record's `extra` fields."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": time_of(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": REQUEST_ID.get(),
        }
        whole = line | fields_of(record)
        return redacted(orjson.dumps(whole, default=str, option=orjson.OPT_NON_STR_KEYS).decode())


class TextLines(logging.Formatter):
    """The same for people: time, level, message, `name=value` of the other fields; tracebacks as they are."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        fields = fields_of(record)
        cause = fields.pop("cause", None)
        identifier = REQUEST_ID.get()
        pairs = [*fields.items(), *([("request_id", identifier)] if identifier else [])]
        line = f"{time} {record.levelname.lower():<8} {record.getMessage()}"
        line += "".join(f" {name}={value}" for name, value in pairs)
        shown = CONTROL.sub(lambda found: ascii(found[0])[1:-1], line.replace("\n", " "))
        return redacted(shown + (f"\n{cause}" if cause else ""))


FORMATS: Mapping[str, type[logging.Formatter]] = MappingProxyType({"json": JSONLines, "text": TextLines})


def write_to_stderr(level: str, form: str = "json") -> None:
    """Send every log line of this process to stderr; `form` is one of FORMATS.

    Records go without what neither of them shows (Python's logging HOWTO, "Optimization").
    """
    logging._srcfile = None  # noqa: SLF001 - the HOWTO's own words
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(FORMATS[form]())
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
