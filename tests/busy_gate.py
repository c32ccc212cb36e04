"""A gate before the real application that turns the first callers away: a full queue, a cut line."""

import contextlib
import json

from service.app import create_app
from service.settings import Settings
from tests.conftest import running, wait_until_ready
from tests.small_embedder import small_embedder


class BusyGate:
    """The first `busy` requests to `path` get 429 with Retry-After, the next `lost` no answer at all."""

    def __init__(self, app, path, *, busy=0, lost=0, retry_after="0"):
        self.app, self.path, self.busy, self.lost, self.retry_after = app, path, busy, lost, retry_after
        self.seen = 0

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http" or scope["path"] != self.path:
            await self.app(scope, receive, send)
            return
        self.seen += 1
        if self.seen <= self.busy:
            await self._refuse(send)
        elif self.seen <= self.busy + self.lost:
            # A body that is shorter than announced: the server cuts the line.
            headers = [(b"content-length", b"100")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b"{", "more_body": False})
        else:
            await self.app(scope, receive, send)

    async def _refuse(self, send):
        error = {"message": "full", "type": "rate_limit_error", "param": None, "code": "overloaded"}
        headers = [(b"content-type", b"application/json"), (b"retry-after", self.retry_after.encode())]
        await send({"type": "http.response.start", "status": 429, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps({"error": error}).encode()})


@contextlib.contextmanager
def busy_server(folder, path, **trouble):
    """A gate before an application of its own, and the URL of the server."""
    gate = BusyGate(create_app(Settings(data_dir=folder), small_embedder()), path, **trouble)
    with running(gate) as url:
        wait_until_ready(url)
        yield gate, url
