"""Jobs: folders of the server into collections, within their bounds, across cancels and restarts."""

import asyncio
import contextlib
import threading
import time

import httpx
import numpy as np
import pytest

from service.app import create_app
from service.batcher import Batcher
from service.bulk.job_book import JobBook
from service.bulk.jobs import encoded
from service.settings import Settings
from tests import media_files as files
from tests.conftest import PATIENCE_S, running, wait_until_ready
from tests.small_embedder import small_embedder

EMBEDDER = small_embedder()


@contextlib.contextmanager
def serving(data, roots):
    """A client of a server that runs as long as the block, with an empty collection `things`."""
    settings = Settings(data_dir=data, ingest_roots=roots, ingest_processes=1, gallery=False)
    with running(create_app(settings, EMBEDDER)) as url:
        wait_until_ready(url)
        with httpx.Client(base_url=url, timeout=PATIENCE_S) as client:
            client.put("/v1/collections/things", json={})
            yield client


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a root that is open to jobs and things beside it that are not."""
    place = tmp_path_factory.mktemp("place")
    root, outside = place / "root", place / "outside"
    for each in (root / "mixed" / "thermal", root / "links", root / "rows", outside):
        each.mkdir(parents=True)
    for name, data in {
        "a.jpg": files.jpeg(),
        "b.wav": files.wav(),
        "thermal/1.png": files.thermal8_png(),
    }.items():
        (root / "mixed" / name).write_bytes(data)
    (root / "mixed" / "broken.png").write_bytes(files.png()[:60])
    (outside / "secret.png").write_bytes(files.png())
    (outside / "secret.json").write_text('{"metadata": {"secret": true}}')
    (root / "links" / "good.png").write_bytes(files.png(20, 20))
    (root / "links" / "secret.png").symlink_to(outside / "secret.png")
    (root / "links" / "sided.png").write_bytes(files.png(30, 30))
    (root / "links" / "sided.json").symlink_to(outside / "secret.json")
    (root / "links" / "folder").symlink_to(outside)
    (root / "rows" / "list.csv").write_text(
        f"path\n../../outside/secret.png\n{outside / 'secret.png'}\n../links/good.png\n"
    )
    return place


@pytest.fixture(scope="module")
def client(place):
    with serving(place / "data", (place / "root",)) as client:
        yield client


def add(client, source, **more):
    return client.post("/v1/jobs", json={"collection": "things", "source": source, **more})


def ended(client, identifier):
    """The job once it has ended."""
    give_up = time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up:
        job = client.get(f"/v1/jobs/{identifier}").json()
        if job["status"] not in ("queued", "running"):
            return job
        time.sleep(0.02)
    raise TimeoutError(job)


def ids(client):
    return {item["id"] for item in client.get("/v1/collections/things/items?limit=1000").json()["items"]}


def test_metadata_that_would_be_altered_is_refused(client):
    """A whole number beyond 64 bits is 400, and no job is made."""
    error = add(client, "mixed", metadata={"n": 2**64}).json()["error"]
    assert (error["code"], error["param"]) == ("invalid_metadata", "metadata")
    assert client.get("/v1/jobs").json()["data"] == []


def test_a_folder_of_the_server_becomes_items(client):
    """202 and a job that tells what it did; files that cannot be used are named; again nothing is stored."""
    answer = add(client, "mixed", metadata={"from": "job"})
    assert answer.status_code == 202
    assert answer.json()["object"] == "job"
    job = ended(client, answer.json()["id"])
    assert job["status"] == "succeeded"
    assert (job["done"], job["stored"], job["failed"], job["total"]) == (3, 3, 1, 4)
    assert [each["file"] for each in job["errors"]] == ["broken.png"]
    assert "truncated" in job["errors"][0]["message"]
    assert ids(client) >= {"a.jpg", "b.wav", "thermal/1.png"}
    item = client.get("/v1/collections/things/items/thermal%2F1.png").json()
    assert (item["modality"], item["metadata"]["from"]) == ("thermal", "job")
    again = ended(client, add(client, "mixed", metadata={"from": "job"}).json()["id"])
    assert (again["done"], again["stored"], again["unchanged"]) == (3, 0, 3)
    assert [each["id"] for each in client.get("/v1/jobs").json()["data"]][:2] == [again["id"], job["id"]]


@pytest.mark.parametrize(
    "source", ["../outside", "mixed/../../outside", "/", "/etc", "links/folder", "links/folder/*.png", "a\0b"]
)
def test_nothing_outside_the_roots_is_read(client, place, source):
    """Paths and links that lead out are refused in the same words, whether there is something or not."""
    there, nowhere = add(client, source), add(client, str(place / "outside"))
    for answer in (there, nowhere, add(client, str(place / "never-made"))):
        assert answer.status_code == 400
        error = answer.json()["error"]
        assert (error["code"], error["param"]) == ("source_not_allowed", "source")
        assert "SENSORIUM_INGEST_ROOTS" in error["message"]


def test_links_and_rows_that_lead_out_are_faults_of_their_own(client):
    """A linked file, a linked sidecar, a path in a manifest: named, not read; what is inside is stored."""
    job = ended(client, add(client, "links", prefix="links/").json()["id"])
    assert {each["file"]: each["code"] for each in job["errors"]} == {
        "secret.png": "outside",
        "sided.png": "outside",
    }
    assert job["stored"] == 1
    rows = ended(client, add(client, "rows/list.csv", prefix="rows/").json()["id"])
    assert [each["code"] for each in rows["errors"]] == ["outside", "outside"]
    assert rows["stored"] == 1
    assert ids(client) >= {"links/good.png"}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"collection": "nobody", "source": "mixed"}, 404, "collection_not_found"),
        ({"collection": "things", "source": "absent"}, 400, "source_not_found"),
        ({"collection": "things", "source": "mixed", "modality": "smell"}, 400, "unknown_modality"),
        ({"collection": "things", "source": "mixed", "speed": 1}, 400, "unknown_parameter"),
        ({"collection": "things"}, 400, "invalid_parameter"),
    ],
)
def test_a_job_that_cannot_be_is_refused_at_once(client, body, status, code):
    """Unknown collection, source, modality, field; a missing field."""
    answer = client.post("/v1/jobs", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_an_unknown_job_is_404(client):
    """Read or cancelled."""
    for answer in (client.get("/v1/jobs/job-0"), client.post("/v1/jobs/job-0/cancel")):
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "job_not_found")


def test_a_server_without_roots_takes_no_jobs(serve):
    """400 that names the setting."""
    client = serve()
    client.put("/v1/collections/things", json={})
    answer = add(client, "anything")
    assert answer.status_code == 400
    assert "SENSORIUM_INGEST_ROOTS" in answer.json()["error"]["message"]


def test_the_same_job_is_never_there_twice_and_can_be_cancelled(client, place):
    """Asked for again while it waits it is the same one; cancelled it stays so, and others go on."""
    many = place / "root" / "many"
    many.mkdir()
    for n in range(300):
        (many / f"{n}.png").write_bytes(files.png(20 + n, 20))
    first, second = (add(client, "many", prefix="many/").json() for _ in range(2))
    assert first["id"] == second["id"]
    waiting = add(client, "many", prefix="other/").json()
    assert client.post(f"/v1/jobs/{waiting['id']}/cancel").json()["status"] == "cancelled"
    assert client.post(f"/v1/jobs/{first['id']}/cancel").json()["status"] == "cancelled"
    after = add(client, "mixed", prefix="after/").json()
    assert ended(client, after["id"])["done"] == 3
    assert client.get(f"/v1/jobs/{first['id']}").json()["status"] == "cancelled"
    assert not {each for each in ids(client) if each.startswith("other/")}
    assert client.post(f"/v1/jobs/{after['id']}/cancel").json()["status"] == "succeeded"


def test_jobs_go_on_after_a_restart(tmp_path):
    """One that runs and one that waits when the server stops: the next one ends both, each file once."""
    for name in ("one", "two"):
        (tmp_path / "root" / name).mkdir(parents=True)
        for n in range(60):
            (tmp_path / "root" / name / f"{name}-{n}.png").write_bytes(files.png(20 + n, 20))
    with serving(tmp_path / "data", (tmp_path / "root",)) as client:
        jobs = [add(client, name).json()["id"] for name in ("one", "two")]
        status = [client.get(f"/v1/jobs/{each}").json()["status"] for each in jobs]
        assert set(status) <= {"queued", "running"}
    with serving(tmp_path / "data", (tmp_path / "root",)) as client:
        assert [ended(client, each)["status"] for each in jobs] == ["succeeded", "succeeded"]
        assert [ended(client, each)["done"] for each in jobs] == [60, 60]
        assert ids(client) == {f"{name}-{n}.png" for name in ("one", "two") for n in range(60)}


def test_a_job_that_ran_at_a_crash_is_active_again(tmp_path):
    """The book is durable: a second one over the same file lists what had not ended, oldest first."""
    book = JobBook(tmp_path)
    first, second, third = (book.add({"source": name}) for name in "abc")
    book.update(first.id, "running", {"done": 3})
    book.update(second.id, "cancelled")
    other = JobBook(tmp_path)
    assert [(job.id, job.status) for job in other.active()] == [(first.id, "running"), (third.id, "queued")]
    assert other.get(first.id).progress == {"done": 3}
    assert other.update(second.id, "running") is False
    book.close()
    other.close()


def test_requests_go_before_the_batches_of_a_job():
    """While a request is admitted nothing of a job is encoded; when it has left, the batch is."""
    seen = []

    def encode(modality, views, normalize):
        seen.append(modality)
        return EMBEDDER.encode(modality, views, normalize=normalize)

    views = [EMBEDDER.prepare("image", EMBEDDER.senses["image"].sample())] * 3

    async def scenario():
        batcher = Batcher(encode, queue_limit=64, batch_views=32)
        batcher.start()
        with batcher.admission({"text": 1}):
            waiting = asyncio.create_task(encoded(batcher, "image", views, threading.Event()))
            for _ in range(10):
                await asyncio.sleep(0.001)
            assert not seen
        rows = await waiting
        await batcher.close()
        return rows

    rows = asyncio.run(scenario())
    np.testing.assert_allclose(rows, EMBEDDER.encode("image", views), atol=1e-6)
