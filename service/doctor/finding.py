"""One line of the doctor: what was looked at, how it is, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Status: TypeAlias = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """`status` fail: the server would not start, or not do its work. `remedy` is empty where it is ok."""

    status: Status
    check: str
    message: str
    remedy: str = ""


def ok(check: str, message: str) -> Finding:
    return Finding("ok", check, message)


def warn(check: str, message: str, remedy: str) -> Finding:
    return Finding("warn", check, message, remedy)


def fail(check: str, message: str, remedy: str) -> Finding:
    return Finding("fail", check, message, remedy)
