"""The server process: uvicorn around the application, with an exit code that tells how it ended."""

from __future__ import annotations

import signal
from types import FrameType

import uvicorn

from service.app import create_app
from service.settings import Settings

GRACE_S = 30
# Longer than the 60 s of usual proxies: they close idle connections, and no request meets a closed one.
KEEP_ALIVE_S = 75


def ignore(_number: int, _frame: FrameType | None) -> None:
    """A handler that does nothing."""


def run(settings: Settings) -> int:
    """Serve until SIGTERM or Ctrl-C (0), or until loading has failed (1)."""

    def stop() -> None:
        server.should_exit = True

    app = create_app(settings, on_failure=stop, with_gallery=settings.gallery)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
        timeout_keep_alive=KEEP_ALIVE_S,
    )
    server = uvicorn.Server(config)
    # uvicorn drains on these signals and then raises them again; by then there is nothing left to do.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ignore)
    server.run()
    return 1 if app.state.engine.failure is not None else 0
