"""Rate limits: token buckets that fill by the minute, and the headers that tell of them.

Header names: OpenAI's `x-ratelimit-*` (platform.openai.com, "Rate limits", "Rate limits in headers") and the
fields of draft-ietf-httpapi-ratelimit-headers (`RateLimit-Policy`, `RateLimit`).
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from threading import Lock
from typing import TypeAlias

REQUESTS, SECONDS, PIXELS = "requests", "seconds", "pixels"
KINDS = (REQUESTS, SECONDS, PIXELS)
MINUTE_S = 60.0
# What has to be in a bucket for a request to be let in: one request, one second, one pixel.
LEAST = 1.0
MOST_CALLERS = 10_000
ACCEPTED = (
    "accepted are requests=, seconds= and pixels= with numbers per minute, from 1, such as requests=600"
)

# kind -> amount per minute; a kind that is not there has no limit
Rate: TypeAlias = Mapping[str, float]
Clock: TypeAlias = Callable[[], float]


def parse_rate(text: str) -> dict[str, float]:
    """`"requests=600,seconds=3600,pixels=5e8"`, each per minute. Raises ValueError."""
    rate: dict[str, float] = {}
    for entry in filter(None, map(str.strip, text.split(","))):
        kind, _, number = entry.partition("=")
        try:
            amount = float(number)
        except ValueError:
            amount = 0.0
        if kind not in KINDS or kind in rate or not LEAST <= amount < math.inf:
            raise ValueError(f"{entry!r} is no rate; {ACCEPTED}")
        rate[kind] = amount
    return rate


def written_rate(rate: Rate | None) -> str:
    """The text that `parse_rate` reads."""
    return ",".join(f"{kind}={amount:g}" for kind, amount in (rate or {}).items())


class Bucket:
    """Holds `limit` at most and fills by as much in a minute; what is taken may leave a debt."""

    def __init__(self, limit: float, now: float) -> None:
        self.limit = limit
        self._level = limit
        self._since = now

    def level(self, now: float) -> float:
        self._level = min(self.limit, self._level + (now - self._since) * self.limit / MINUTE_S)
        self._since = now
        return self._level

    def take(self, amount: float, now: float) -> None:
        self._level = self.level(now) - amount

    def seconds_to(self, level: float, now: float) -> float:
        """Until it holds `level`."""
        return max(0.0, level - self.level(now)) * MINUTE_S / self.limit


def spelled(seconds: float) -> str:
    """As OpenAI spells durations: 20ms, 1.5s, 6m0s."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    minutes, rest = divmod(math.ceil(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


class Meter:
    """The buckets of one caller; threads may charge it together."""

    def __init__(self, rate: Rate, clock: Clock) -> None:
        self.clock = clock
        self._lock = Lock()
        self.buckets = {kind: Bucket(limit, clock()) for kind, limit in rate.items()}

    def admit(self) -> tuple[str, float] | None:
        """Take one request; where a bucket is empty instead: its kind and the seconds to come back after."""
        with self._lock:
            now = self.clock()
            waits = {kind: bucket.seconds_to(LEAST, now) for kind, bucket in self.buckets.items()}
            kind = max(waits, key=waits.__getitem__)
            if waits[kind] > 0:
                return kind, waits[kind]
            if REQUESTS in self.buckets:
                self.buckets[REQUESTS].take(LEAST, now)
            return None

    def charge(self, amounts: Mapping[str, float]) -> None:
        """Take what an input turned out to hold; the debt keeps later requests out until it is paid."""
        with self._lock:
            now = self.clock()
            for kind, amount in amounts.items():
                if kind in self.buckets:
                    self.buckets[kind].take(amount, now)

    def headers(self) -> Iterator[tuple[str, str]]:
        """Limits, what is left of them, and the time until they are whole again."""
        with self._lock:
            now = self.clock()
            facts = [
                (
                    kind,
                    bucket.limit,
                    max(0, math.floor(bucket.level(now))),
                    bucket.seconds_to(bucket.limit, now),
                )
                for kind, bucket in self.buckets.items()
            ]
        for kind, limit, left, reset in facts:
            yield f"x-ratelimit-limit-{kind}", f"{limit:.0f}"
            yield f"x-ratelimit-remaining-{kind}", str(left)
            yield f"x-ratelimit-reset-{kind}", spelled(reset)
        yield "ratelimit-policy", ", ".join(f'"{kind}";q={limit:.0f};w=60' for kind, limit, _, _ in facts)
        yield "ratelimit", ", ".join(f'"{kind}";r={left};t={math.ceil(t)}' for kind, _, left, t in facts)


class Limiter:
    """A meter per caller; of more than `most` callers the one that has been quiet longest is forgotten.

    `default`: the rate of callers that have none of their own.
    """

    def __init__(self, default: Rate, clock: Clock = time.monotonic, most: int = MOST_CALLERS) -> None:
        self.default = default
        self.clock = clock
        self.most = most
        self.meters: OrderedDict[tuple[str, str], Meter] = OrderedDict()

    def meter(self, caller: str, rate: Rate | None = None) -> Meter | None:
        """The caller's meter; None where nothing is limited."""
        chosen = self.default if rate is None else rate
        if not chosen:
            return None
        place = (caller, written_rate(chosen))
        meter = self.meters.get(place) or Meter(chosen, self.clock)
        self.meters[place] = meter
        self.meters.move_to_end(place)
        while len(self.meters) > self.most:
            self.meters.popitem(last=False)
        return meter
