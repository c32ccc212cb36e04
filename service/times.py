"""Times as RFC 3339 in UTC."""

from datetime import UTC, datetime


def timestamp(time: datetime) -> str:
    """`2026-01-31T12:00:00.000Z`."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
