"""Log lines as JSON on stderr, each with the id of the request that caused it; media never stand in them."""

from __future__ import annotations

import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime

import orjson

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
# uvicorn repeats its messages with colours.
STANDARD_FIELDS = frozenset({*vars(logging.makeLogRecord({})), "message", "color_message"})


class JSONLines(logging.Formatter):
    """One JSON object per line: time, level, logger, message, request_id and the record's `extra` fields."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": REQUEST_ID.get(),
        }
        extra = {key: value for key, value in vars(record).items() if key not in STANDARD_FIELDS}
        if record.exc_info:
            extra["cause"] = self.formatException(record.exc_info)
        return orjson.dumps(line | extra, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def write_to_stderr(level: str) -> None:
    """Send every log line of this process to stderr as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JSONLines())
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    logging.getLogger("faiss.loader").setLevel(logging.WARNING)
