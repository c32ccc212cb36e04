"""From the settings to the gate: what is asked of callers, and a warning where the door stands open."""

from __future__ import annotations

import logging

from service.access.gate import Access
from service.access.keyring import Keyring
from service.access.origins import is_loopback
from service.access.rates import KINDS, Limiter
from service.settings import Settings

log = logging.getLogger(__name__)
LIMIT_HEADERS = (
    "ratelimit",
    "ratelimit-policy",
    *(f"x-ratelimit-{what}-{kind}" for kind in KINDS for what in ("limit", "remaining", "reset")),
)
OPEN_DOOR = (
    "ANYONE who reaches %s may read, write and delete: there are no API keys. Set SENSORIUM_API_KEYS "
    "(`sensorium keys new` makes one), or listen on 127.0.0.1 (SENSORIUM_HOST)"
)


def access_of(settings: Settings) -> Access:
    """Raises ValueError where the keys cannot be read."""
    keys = settings.api_keys
    return Access(
        keyring=None if keys is None else Keyring(keys.get_secret_value()),
        limiter=Limiter(settings.rate_limit),
        origins=settings.cors_origins,
        hosts=settings.allowed_hosts if is_loopback(settings.host) else None,
    )


def warn_if_open(settings: Settings) -> None:
    """Say loudly that a public address has no keys."""
    if settings.api_keys is None and not is_loopback(settings.host):
        log.warning(OPEN_DOOR, settings.host)
