"""Downloads over a line that drops, lies and serves the wrong thing, from a real HTTP server."""

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from models.download import ATTEMPTS, Remote, fetch
from models.errors import WeightsError

CONTENT = np.random.default_rng(5).bytes(300_000)
WAIT_S = 0.001


class Server(ThreadingHTTPServer):
    """Serves CONTENT; `drops`: bytes after which each of the next answers breaks off."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.drops, self.ranges, self.status = CONTENT, [], True, 200
        self.declared = None
        self.asked = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/model.bin"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        """Say nothing."""

    def do_GET(self):
        wanted = self.headers.get("Range")
        self.server.asked.append(wanted)
        first = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.server.ranges else 0
        body, whole = self.server.content[first:], len(self.server.content)
        partial = bool(wanted) and self.server.ranges and self.server.status == 200
        if partial and not body:
            return self.send_error(416)
        self.send_response(206 if partial else self.server.status)
        if partial:
            self.send_header("Content-Range", f"bytes {first}-{whole - 1}/{whole}")
        self.send_header("Content-Length", str(self.server.declared or len(body)))
        self.end_headers()
        return self.wfile.write(body[: self.server.drops.pop(0)] if self.server.drops else body)


@pytest.fixture
def server():
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def remote(server, content=CONTENT):
    return Remote(server.url, len(content), hashlib.sha256(content).hexdigest())


def get(server, path):
    return fetch(remote(server), path, first_wait_s=WAIT_S)


def test_a_file_arrives(server, tmp_path):
    """In a folder that did not exist, without leftovers but the lock."""
    path = get(server, tmp_path / "cache" / "model.bin")
    assert path.read_bytes() == CONTENT
    assert {entry.name for entry in path.parent.iterdir()} == {"model.bin", "model.bin.lock"}


def test_a_dropped_download_goes_on_where_it_stopped(server, tmp_path):
    """Three broken connections: each request asks for the rest only."""
    server.drops = [100_000, 50_000, 1]
    assert get(server, tmp_path / "model.bin").read_bytes() == CONTENT
    assert server.asked == [None, "bytes=100000-", "bytes=150000-", "bytes=150001-"]


def test_a_download_goes_on_after_a_restart(server, tmp_path):
    """What an earlier process left beside the path is kept."""
    (tmp_path / "model.bin.part").write_bytes(CONTENT[:200_000])
    assert get(server, tmp_path / "model.bin").read_bytes() == CONTENT
    assert server.asked == ["bytes=200000-"]


def test_a_server_without_ranges_starts_anew(server, tmp_path):
    """It answers 200 with the whole file, which must not be appended."""
    server.ranges = False
    server.drops = [100_000]
    assert get(server, tmp_path / "model.bin").read_bytes() == CONTENT


def test_leftovers_longer_than_the_file_are_thrown_away(server, tmp_path):
    """A part of some other file."""
    (tmp_path / "model.bin.part").write_bytes(CONTENT + b"more")
    assert get(server, tmp_path / "model.bin").read_bytes() == CONTENT


def test_leftovers_longer_than_the_servers_file_are_thrown_away(server, tmp_path):
    """The server answers 416 to the range, then tells its length, which is wrong."""
    server.content = CONTENT[:1000]
    (tmp_path / "model.bin.part").write_bytes(CONTENT[:2000])
    with pytest.raises(WeightsError, match="offers 1000 bytes"):
        get(server, tmp_path / "model.bin")


def test_a_folder_that_cannot_be_written_is_named(server, tmp_path):
    """A file stands where the folder should be."""
    (tmp_path / "cache").write_bytes(b"")
    with pytest.raises(WeightsError, match="could not be written"):
        get(server, tmp_path / "cache" / "model.bin")


def test_a_file_that_is_there_is_not_asked_for_again(server, tmp_path):
    """Not even a request."""
    get(server, tmp_path / "model.bin")
    get(server, tmp_path / "model.bin")
    assert len(server.asked) == 1


def test_a_wrong_file_is_refused_and_removed(server, tmp_path):
    """Right length, other bytes: nothing stays that a later attempt would go on from."""
    server.content = bytes(len(CONTENT))
    with pytest.raises(WeightsError, match="sha256"):
        get(server, tmp_path / "model.bin")
    assert {entry.name for entry in tmp_path.iterdir()} == {"model.bin.lock"}


@pytest.mark.parametrize("content", [CONTENT[:1000], CONTENT + b"more"])
def test_a_file_of_another_size_is_refused(server, tmp_path, content):
    """Before it is received: the message names both sizes."""
    server.content = content
    with pytest.raises(WeightsError, match=rf"{len(content)} bytes; expected are {len(CONTENT)}"):
        get(server, tmp_path / "model.bin")
    assert not (tmp_path / "model.bin").exists()


def test_a_length_that_is_never_delivered_is_given_up(server, tmp_path):
    """The server declares the right length but always sends the same short body and knows no ranges."""
    server.ranges, server.content, server.declared = False, CONTENT[:1000], len(CONTENT)
    with pytest.raises(WeightsError, match="could not be downloaded"):
        get(server, tmp_path / "model.bin")
    assert len(server.asked) == ATTEMPTS + 1  # the first brought something
    assert not (tmp_path / "model.bin").exists()


@pytest.mark.parametrize("status", [403, 404])
def test_a_refusal_is_reported_at_once(server, tmp_path, status):
    """Asking again would not help."""
    server.status = status
    with pytest.raises(WeightsError, match=str(status)):
        get(server, tmp_path / "model.bin")
    assert len(server.asked) == 1


def test_a_server_in_trouble_is_asked_again(server, tmp_path):
    """503 some times over, and in the end an error that says so."""
    server.status = 503
    with pytest.raises(WeightsError, match="503"):
        get(server, tmp_path / "model.bin")
    assert len(server.asked) == ATTEMPTS


def test_nobody_there(tmp_path):
    """A port where nothing listens."""
    with pytest.raises(WeightsError, match="could not be downloaded"):
        fetch(Remote("http://127.0.0.1:9/x", 10, "0" * 64), tmp_path / "x", first_wait_s=WAIT_S)


def test_a_disk_that_is_too_small_is_told_before_the_download(server, tmp_path):
    """A file of an exabyte."""
    with pytest.raises(WeightsError, match="bytes free"):
        fetch(Remote(server.url, 1 << 60, "0" * 64), tmp_path / "x")
    assert server.asked == []


def test_two_at_once_download_once(server, tmp_path):
    """The second waits for the lock and finds the file."""
    with ThreadPoolExecutor(2) as pool:
        paths = list(pool.map(lambda _: get(server, tmp_path / "model.bin"), range(2)))
    assert [path.read_bytes() for path in paths] == [CONTENT, CONTENT]
    assert len(server.asked) == 1
