"""A host on loopback that misbehaves in every way and is reached under made-up public names."""

import asyncio
import contextlib
import threading
import zlib

import httpx

from tests import media_files as make

PUBLIC = "93.184.215.14"
# Names that lead to PUBLIC alone; others lead where `ANSWERS` says, or nowhere.
NAMES = frozenset({"media.test.example", "other.test.example"})
ANSWERS = {
    "inside.test.example": ["10.0.0.7"],
    "mixed.test.example": [PUBLIC, "127.0.0.1"],
    "mapped.test.example": ["::ffff:169.254.169.254"],
    "six.test.example": ["2606:4700::1111", PUBLIC],
}


async def resolve(host):
    """The resolver of the tests: no name of the real world is asked for."""
    if host in NAMES:
        return [PUBLIC]
    if host not in ANSWERS:
        raise OSError(host)
    return ANSWERS[host]


class Detour(httpx.AsyncBaseTransport):
    """Carries what is meant for a public address to the test's host; notes where it was meant to go."""

    def __init__(self, port, **options):
        self.port = port
        self.asked = []
        self.inner = httpx.AsyncHTTPTransport(trust_env=False, **options)

    async def handle_async_request(self, request):
        self.asked.append((request.url.host, request.headers["host"]))
        request.url = request.url.copy_with(host="127.0.0.1", port=self.port)
        return await self.inner.handle_async_request(request)

    async def aclose(self):
        await self.inner.aclose()


def head(status="200 OK", length=None, **fields):
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in fields.items())]
    lines += [] if length is None else [f"content-length: {length}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def file(data, kind="image/png", **fields):
    return head(length=len(data), content_type=kind, **fields) + data


def to(location):
    return head("302 Found", 0, location=location)


def packed_bomb():
    return file(zlib.compress(bytes(5_000_000)), content_encoding="deflate")


PICTURE = make.png(16, 12)
PATHS = {
    "/cat.png": lambda: file(PICTURE),
    "/cat": lambda: file(PICTURE, "application/octet-stream"),
    "/tone.wav": lambda: file(make.wav(0.2), "audio/wav"),
    "/page": lambda: file(b"<html>a secret</html>", "text/html; charset=utf-8"),
    "/json": lambda: file(b'{"a": "secret"}', "application/json"),
    "/broken.png": lambda: file(b"a secret that is no picture"),
    "/gone": lambda: head("404 Not Found", 6) + b"secret",
    "/empty": lambda: file(b""),
    "/moved": lambda: to("/cat.png"),
    "/elsewhere": lambda: to("http://other.test.example/cat.png"),
    "/inside": lambda: to("http://inside.test.example/"),
    "/loopback": lambda: to("http://127.0.0.1/"),
    "/metadata": lambda: to("http://169.254.169.254/latest/meta-data/"),
    "/odd-port": lambda: to("http://media.test.example:22/"),
    "/file": lambda: to("file:///etc/passwd"),
    "/round": lambda: to("/round"),
    "/nowhere": lambda: head("302 Found", 0),
    "/announced": lambda: head(length=10**12, content_type="image/png"),
    "/endless": lambda: head(content_type="image/png") + bytes(3_000_000),
    "/cut": lambda: head(length=1000, content_type="image/png") + PICTURE[:50],
    "/lying-short": lambda: head(length=40, content_type="image/png") + PICTURE,
    "/bomb": packed_bomb,
    "/noise": lambda: b"\x00\x01\x02\r\n\r\n",
    "/cookie": lambda: file(PICTURE, set_cookie="a=b"),
}


class OddHost:
    """Answers one request a connection; `/drip` sends a byte now and then, `/silent` nothing at all."""

    def __init__(self):
        self.heads = []

    async def serve(self, reader, writer):
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            received = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            self.heads.append(received)
            path = received.split(" ")[1].partition("?")[0]
            if path == "/silent":
                await reader.read()
            if path == "/drip":
                await self.drip(writer)
            writer.write(PATHS[path]())
            await writer.drain()
        writer.close()

    async def drip(self, writer):
        writer.write(head(length=1_000_000, content_type="image/png"))
        while True:
            writer.write(b"\0")
            await writer.drain()
            await asyncio.sleep(0.02)


@contextlib.contextmanager
def running_host(ssl=None):
    """An OddHost and its port, in a thread of its own."""
    host, loop, started = OddHost(), asyncio.new_event_loop(), threading.Event()
    ports = []

    async def start():
        server = await asyncio.start_server(host.serve, "127.0.0.1", 0, ssl=ssl)
        ports.append(server.sockets[0].getsockname()[1])
        started.set()

    def run():
        loop.create_task(start())
        loop.run_forever()

    thread = threading.Thread(target=run, name="odd host")
    thread.start()
    try:
        assert started.wait(30)
        yield host, ports[0]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
