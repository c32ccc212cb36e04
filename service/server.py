"""The server process: uvicorn around the application, with an exit code that tells how it ended."""

from __future__ import annotations

import logging
import os
import resource
import threading
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from service.app import create_app
from service.daemon import NAME
from service.protocol import bounded_protocol
from service.settings import Settings
from service.stopping import end_at_once

log = logging.getLogger(__name__)

# Longer than the 60 s of usual proxies: they close idle connections, and no request meets a closed one.
KEEP_ALIVE_S = 75
# Files that are open beside the connections: databases, indices, media, libraries.
OTHER_FILES = 512
# Threads that have nothing left to do are given this long to notice it.
THREADS_S = 0.5


def allow_files(connections: int) -> None:
    """Raise the soft limit of open files, often 1024, to what the connections need, if the hard one lets."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + OTHER_FILES
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < needed:
        log.warning("only %d files may be open (ulimit -n); %d connections need more", allowed, connections)


def leave(code: int) -> None:
    """End the process now where a thread still loads, or encodes for callers who have been sent away.

    The interpreter would wait for it, perhaps for minutes, or tear compiled code down under it. Everything
    that is stored has been closed before.
    """
    threads = [each for each in threading.enumerate() if each is not threading.current_thread()]
    for each in threads:
        if not each.daemon:
            each.join(THREADS_S)
    if any(each.is_alive() and (not each.daemon or each.name.startswith(NAME)) for each in threads):
        log.info("left without waiting for what was still being loaded, decoded or encoded")
        logging.shutdown()
        os._exit(code)


def config_of(
    app: ASGIApp, settings: Settings, refused: Callable[[str], None] = lambda _: None
) -> uvicorn.Config:
    """How uvicorn serves `app`. `refused` is told the code of what is turned away before the application.

    Callers' addresses are those of their connections, unless the connection is that of a proxy that is named:
    uvicorn by itself would believe what any caller on this machine writes into X-Forwarded-For.
    """
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.forwarded_allow_ips),
        forwarded_allow_ips=list(settings.forwarded_allow_ips),
        ws="none",
        http=bounded_protocol(settings.header_timeout_s, settings.max_connections, refused),
        timeout_graceful_shutdown=settings.grace_s,  # type: ignore[arg-type] # any number will do
        timeout_keep_alive=KEEP_ALIVE_S,
    )


def run(settings: Settings) -> int:
    """Serve until SIGTERM or Ctrl-C (0), or until loading has failed (1)."""

    def stop() -> None:
        server.should_exit = True

    app = create_app(settings, on_failure=stop, with_gallery=settings.gallery)
    allow_files(settings.max_connections)
    server = uvicorn.Server(config_of(app, settings, app.state.engine.metrics.refused))
    # uvicorn drains on these signals and then raises them again; by then there is nothing left to do.
    end_at_once(unless=lambda: server.started)
    try:
        server.run()
    except SystemExit:
        # uvicorn could not begin, mostly because the port is taken, and has said so.
        leave(1)
        return 1
    code = 1 if app.state.engine.failure is not None else 0
    leave(code)
    return code
