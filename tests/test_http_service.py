"""The service around the endpoints: ready or not, full or not, and what it says about itself."""

import asyncio
import base64
import contextlib
import dataclasses
import socket
import threading
import time

import httpx
import pytest

from service.app import create_app
from service.settings import Settings
from tests import media_files as files
from tests.conftest import PATIENCE_S, running
from tests.small_embedder import small_embedder

EMBEDDINGS = "/v1/embeddings"


class Gate:
    """A `prepare` that waits until it is opened."""

    def __init__(self, prepare):
        self.prepare = prepare
        self.opened = threading.Event()
        self.entered = threading.Semaphore(0)
        self.calls = 0

    def __call__(self, sample):
        self.calls += 1
        self.entered.release()
        assert self.opened.wait(PATIENCE_S)
        return self.prepare(sample)


def gated_embedder():
    """The small embedder, whose texts wait at the gate."""
    embedder = small_embedder()
    gate = Gate(embedder.towers["text"].prepare)
    tower = dataclasses.replace(embedder.towers["text"], prepare=gate)
    return dataclasses.replace(embedder, towers={**embedder.towers, "text": tower}), gate


def in_thread(call):
    """Run `call` in a thread; gives the thread and the list that its result goes into."""
    results = []
    thread = threading.Thread(target=lambda: results.append(call()))
    thread.start()
    return thread, results


def wait_for(condition):
    give_up = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up, "waited in vain"
        time.sleep(0.01)


def test_health_and_readiness(client):
    """Both 200, and what is ready to serve."""
    assert client.get("/healthz").json() == {"status": "ok"}
    ready = client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["status"] == "ready"
    assert ready.json()["model"] == "small-test"
    assert set(ready.json()["modalities"]) == {"text", "image", "audio", "depth", "thermal", "imu"}


def test_request_ids_are_given_or_kept(client):
    """A sane id comes back, another is replaced, and none is made up anew."""
    assert client.get("/healthz", headers={"x-request-id": "mine-1"}).headers["x-request-id"] == "mine-1"
    replaced = client.get("/healthz", headers={"x-request-id": "a b" * 100}).headers["x-request-id"]
    assert len(replaced) == 32
    assert client.get("/nowhere").headers["x-request-id"] != replaced


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/v1/embeddings", 405, "method_not_allowed"),
        ("PATCH", "/v1/collections/a", 405, "method_not_allowed"),
        ("GET", "/v1/collections/a/", 404, "not_found"),
    ],
)
def test_the_frameworks_own_errors_have_our_form(client, method, path, status, code):
    """No such path, no such method."""
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.json()["error"]["code"] == code
    assert answer.json()["error"]["message"]


async def answers_before_start(app, *paths):
    """An application whose start has not begun, asked in process."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return [await client.get(path) for path in paths]


def test_a_model_that_is_still_loading_is_waited_for(tmp_path):
    """Alive but not ready: 503 that says so and when to come back; what needs no model is answered."""
    app = create_app(Settings(data_dir=tmp_path))
    alive, ready, collections, models = asyncio.run(
        answers_before_start(app, "/healthz", "/readyz", "/v1/collections", "/v1/models")
    )
    assert alive.status_code == models.status_code == 200
    assert ready.status_code == collections.status_code == 503
    assert "still loading" in ready.json()["error"]["message"]
    assert "retry-after" in ready.headers


def test_a_model_that_cannot_be_loaded_is_the_reason_given(tmp_path):
    """/healthz stays 200, /readyz and requests are 503 with the reason, and the owner is told."""
    told = threading.Event()
    settings = Settings(model="imagebind-nano", weights=tmp_path / "absent.pth", data_dir=tmp_path / "data")
    with running(create_app(settings, on_failure=told.set)) as url:
        assert told.wait(PATIENCE_S)
        assert httpx.get(f"{url}/healthz").status_code == 200
        answer = httpx.get(f"{url}/readyz")
        assert answer.status_code == 503
        assert "absent.pth" in answer.json()["error"]["message"]
        refused = httpx.post(f"{url}{EMBEDDINGS}", json={"input": "a"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "not_ready")
        assert int(refused.headers["retry-after"]) >= 1


def test_a_data_folder_in_use_is_refused(serve, tmp_path):
    """Two servers never share one folder: the second is not ready and says why."""
    serve(data_dir=tmp_path / "mine")
    settings = Settings(data_dir=tmp_path / "mine")
    told = threading.Event()
    with running(create_app(settings, small_embedder(), on_failure=told.set)) as url:
        assert told.wait(PATIENCE_S)
        assert httpx.get(f"{url}/readyz").status_code == 503


def test_a_dead_batcher_is_seen_and_nobody_hangs(serve):
    """Its task killed until it stays dead: /readyz 503 with the reason, requests 503, /healthz still 200."""
    client = serve()
    batcher = client.app.state.engine.vectorizer.batcher
    loop = batcher._task.get_loop()
    for _ in range(3):
        task = batcher._task
        loop.call_soon_threadsafe(task.cancel)
        wait_for(lambda task=task: task.done() and (batcher._task is not task or not batcher.alive))
    wait_for(lambda: not batcher.alive)
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert "stopped" in ready.json()["error"]["message"]
    answer = client.post(EMBEDDINGS, json={"input": "a"})
    assert answer.status_code == 503
    assert "retry-after" in answer.headers
    assert client.get("/healthz").status_code == 200


def test_a_full_queue_answers_429(serve):
    """One text waits and the bound is one: the next text is refused, a picture is not; then there is room."""
    embedder, gate = gated_embedder()
    client = serve(embedder, queue_limit=1)
    thread, results = in_thread(lambda: client.post(EMBEDDINGS, json={"input": "first"}))
    assert gate.entered.acquire(timeout=PATIENCE_S)
    refused = client.post(EMBEDDINGS, json={"input": "second"})
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.json()["error"]["type"] == "rate_limit_error"
    picture = {"image": base64.b64encode(files.png()).decode()}
    assert client.post(EMBEDDINGS, json={"input": picture}).status_code == 200
    gate.opened.set()
    thread.join(PATIENCE_S)
    assert results[0].status_code == 200
    assert client.post(EMBEDDINGS, json={"input": "third"}).status_code == 200


def test_callers_who_hang_up_make_room(serve):
    """Their work is cancelled: the queue is free again, and what had not begun never begins."""
    embedder, gate = gated_embedder()
    client = serve(embedder, queue_limit=3, decode_threads=1)
    admitted = client.app.state.engine.vectorizer.batcher.admitted
    body = b'{"input": ["a", "b", "c"]}'
    head = f"POST {EMBEDDINGS} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n"
    with socket.create_connection((client.base_url.host, client.base_url.port)) as caller:
        caller.sendall(head.encode() + b"content-type: application/json\r\n\r\n" + body)
        assert gate.entered.acquire(timeout=PATIENCE_S)
        assert client.post(EMBEDDINGS, json={"input": "no room"}).status_code == 429
    wait_for(lambda: admitted["text"] == 0)
    gate.opened.set()
    assert client.post(EMBEDDINGS, json={"input": "room"}).status_code == 200
    assert gate.calls == 2


def test_a_body_is_refused_by_its_length_before_it_is_sent(server):
    """Content-Length alone is enough: 413 while not a byte of the body has gone out."""
    url = httpx.URL(server[1])
    with socket.create_connection((url.host, url.port), timeout=PATIENCE_S) as caller:
        caller.sendall(b"POST /v1/embeddings HTTP/1.1\r\nhost: x\r\ncontent-length: 100000000\r\n\r\n")
        assert caller.recv(100).startswith(b"HTTP/1.1 413")


def test_the_store_that_is_handed_in_stays_open(tmp_path):
    """Who opens a store closes it."""
    from index import Store

    with contextlib.closing(Store.open(tmp_path / "own")) as store:
        app = create_app(Settings(data_dir=tmp_path / "other"), small_embedder(), store)
        with running(app) as url:
            assert httpx.put(f"{url}/v1/collections/c").status_code == 201
        assert [each.name for each in store.list()] == ["c"]
    assert not (tmp_path / "other").exists()


def test_settings_come_from_the_environment(monkeypatch):
    """SENSORIUM_* by name, comma lists as tuples, empty values as not set."""
    monkeypatch.setenv("SENSORIUM_PORT", "9000")
    monkeypatch.setenv("SENSORIUM_MODALITIES", "text, audio")
    monkeypatch.setenv("SENSORIUM_WEIGHTS", "")
    settings = Settings()
    assert (settings.port, settings.modalities, settings.weights) == (9000, ("text", "audio"), None)
    assert all(field.description for field in Settings.model_fields.values())


def test_a_refused_method_is_told_which_there_are(client):
    """`Allow` holds the methods of every route at that path."""
    assert client.options("/v1/collections/a").headers["allow"] == "DELETE, GET, HEAD, PUT"
    refused = client.put("/v1/collections/a/items/b")
    assert refused.headers["allow"] == "DELETE, GET, HEAD"
    assert refused.json()["error"]["message"] == "PUT is not accepted here; accepted: DELETE, GET, HEAD"
    assert "/v1/nowhere" in client.get("/v1/nowhere").json()["error"]["message"]


def test_head_is_get_without_the_body(client, collection):
    """The same status and headers as GET, no body, and the connection stays usable."""
    for path in ("/healthz", collection, f"{collection}/items/absent", EMBEDDINGS):
        head, get = client.head(path), client.get(path)
        assert (head.status_code, head.content) == (get.status_code, b"")
        assert head.headers["content-length"] == get.headers["content-length"]


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", ""])
def test_no_body_needs_no_content_type(client, collection, kind):
    """A PUT without a body makes the collection, whatever content type a client adds by itself."""
    assert client.put(collection, content=b"", headers={"content-type": kind}).status_code == 200


def test_a_wrong_content_type_is_told_the_right_one(client):
    """What `curl -d` sends by itself is 415 and names the header; a packed body is 415 as well."""
    form = {"content-type": "application/x-www-form-urlencoded"}
    refused = client.post(EMBEDDINGS, content=b'{"input": "a"}', headers=form)
    assert refused.status_code == 415
    assert "content-type: application/json" in refused.json()["error"]["message"]
    packed = client.post(EMBEDDINGS, json={"input": "a"}, headers={"content-encoding": "gzip"})
    assert packed.status_code == 415
    assert "gzip" in packed.json()["error"]["message"]
    assert client.post(EMBEDDINGS, content=b'{"input": "a"}', headers={"content-type": ""}).status_code == 200


def test_a_caller_who_leaves_while_sending_is_no_error(serve, caplog):
    """Half a form and a hung-up connection leave no error in the log."""
    client = serve()
    client.put("/v1/collections/c")
    part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\na'
    half = (
        b"POST /v1/collections/c/items HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"
        b"Content-Type: multipart/form-data; boundary=x\r\n\r\n" + part
    )
    with caplog.at_level("INFO", logger="service"):
        with socket.create_connection((client.base_url.host, client.base_url.port)) as caller:
            caller.sendall(half)
        wait_for(lambda: any(record.getMessage() == "caller left" for record in caplog.records))
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
