"""Whether the Sensorium of these settings is running already: its port is asked, as a probe asks it."""

from __future__ import annotations

import httpx

from service.settings import Settings

PATIENCE_S = 2.0
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - asked at, not listened on


def address(settings: Settings) -> str:
    """Where a server of these settings can be asked from this machine."""
    host = EVERYWHERE.get(settings.host, settings.host)
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def state_of(answer: httpx.Response) -> str | None:
    """What a Sensorium says of itself at /readyz; None where it is none that answers."""
    told = answer.json()
    if answer.is_success:
        return f"{told['status']}, {', '.join(told['models'])}"
    error = told["error"]
    return f"not ready: {error['message']}" if error["code"] == "not_ready" else None


def running(settings: Settings) -> str | None:
    """The state of the Sensorium that listens on the port of the settings; None where there is none."""
    if settings.port == 0:
        return None
    try:
        with httpx.Client(base_url=address(settings), timeout=PATIENCE_S, trust_env=False) as client:
            return state_of(client.get("/readyz"))
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError):
        return None
