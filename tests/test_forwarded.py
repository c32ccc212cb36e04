"""Whose word about a caller's address and scheme is believed."""

import contextlib
import json
import threading
import time

import httpx
import pytest
import uvicorn
from pydantic import ValidationError

from service.server import config_of
from service.settings import Settings

PATIENCE_S = 30
CLAIM = {"x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https"}


async def who(scope, receive, send):
    """An application that answers with what it was told of its caller."""
    if scope["type"] != "http":
        return
    body = json.dumps([scope["client"][0], scope["scheme"]]).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


@contextlib.contextmanager
def served(**settings):
    """The address of a server with these settings."""
    server = uvicorn.Server(config_of(who, Settings(port=0, **settings)))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        give_up = time.monotonic() + PATIENCE_S
        while not server.started and thread.is_alive() and time.monotonic() < give_up:
            time.sleep(0.01)
        yield "http://{}:{}".format(*server.servers[0].sockets[0].getsockname()[:2])
    finally:
        server.should_exit = True
        thread.join(PATIENCE_S)


def test_nobody_is_believed_by_default(monkeypatch):
    """A caller on this machine has its own address and scheme, whatever it claims and uvicorn is told."""
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    with served() as url:
        assert httpx.get(url, headers=CLAIM).json() == ["127.0.0.1", "http"]


@pytest.mark.parametrize("named", ["127.0.0.1", "10.0.0.0/8, 127.0.0.0/8"])
def test_a_named_proxy_is_believed(named):
    """By address and by network; of several the last that is no proxy of ours counts."""
    with served(forwarded_allow_ips=named) as url:
        assert httpx.get(url, headers=CLAIM).json() == ["203.0.113.9", "https"]
        chain = {"x-forwarded-for": "198.51.100.1, 203.0.113.9, 127.0.0.1"}
        assert httpx.get(url, headers=chain).json() == ["203.0.113.9", "http"]


def test_another_address_than_the_named_proxies_is_not_believed():
    """The list names who is believed, not that somebody is."""
    with served(forwarded_allow_ips="10.0.0.0/8") as url:
        assert httpx.get(url, headers=CLAIM).json() == ["127.0.0.1", "http"]


@pytest.mark.parametrize("given", ["*", "proxy.example", "10.0.0.1/8", "127.0.0.1,nonsense"])
def test_what_is_no_address_is_refused(given):
    """Names and stars would be taken for nobody, or for everybody; the refusal says what is accepted."""
    with pytest.raises(ValidationError, match=r"accepted is a list such as"):
        Settings(forwarded_allow_ips=given)
