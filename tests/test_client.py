"""The Python client, `sensorium_client`, against a real server."""

import asyncio
import base64
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image as Pictures

import sensorium_client as sc
from tests import media_files as files
from tests.busy_gate import busy_server
from tests.python_client import QUICK
from tests.small_embedder import DIM


def b64(data):
    return base64.b64encode(data).decode()


def plain(client, *parts):
    """Vectors as plain JSON gives them."""
    answer = client.post("/v1/embeddings", json={"input": list(parts)}).json()
    return np.array([entry["embedding"] for entry in answer["data"]])


def test_one_text_is_a_vector_and_a_list_a_matrix(sensorium, client):
    """Float32, the same numbers as plain JSON; more inputs than the server takes at once go in batches."""
    one = sensorium.embed("a dog")
    assert (one.shape, one.dtype) == ((DIM,), np.float32)
    assert np.allclose(one, plain(client, "a dog")[0], atol=1e-6)
    many = sensorium.embed([f"text {i}" for i in range(150)])
    assert many.shape == (150, DIM)
    assert np.allclose(many[140], sensorium.embed("text 140"), atol=1e-6)
    assert sensorium.embed("a dog", dimensions=4).shape == (4,)
    assert abs(np.linalg.norm(sensorium.embed("a dog", normalize=False)) - 1) > 1e-3


def test_notes_and_modalities_come_with_embeddings(sensorium):
    """What was cut is said."""
    answer = sensorium.embeddings(["a" * 100, sc.Image(files.png())])
    assert answer.modalities == ("text", "image")
    assert "cut" in answer.notes[0][0]
    assert answer.notes[1] == ()


def test_files_bytes_and_pictures_are_the_same_content(sensorium, client, tmp_path):
    """A path whose ending tells the modality, bytes with a word, PIL images in odd modes."""
    (tmp_path / "a.png").write_bytes(files.png())
    (tmp_path / "b.wav").write_bytes(files.wav())
    (tmp_path / "c.csv").write_bytes(files.imu_csv())
    (tmp_path / "d.txt").write_text("a dog")
    film = files.mp4()
    (tmp_path / "e.mp4").write_bytes(film)
    paths = sensorium.embed([tmp_path / name for name in ("a.png", "b.wav", "c.csv", "d.txt", "e.mp4")])
    expected = plain(
        client,
        {"image": b64(files.png())},
        {"audio": b64(files.wav())},
        {"imu": b64(files.imu_csv())},
        "a dog",
        {"video": b64(film)},
    )
    assert np.allclose(paths, expected, atol=1e-6)
    picture = Pictures.fromarray(files.gradient())
    same = sensorium.embed(
        [picture, sc.Image(files.png()), sc.Image(tmp_path / "a.png"), {"image": b64(files.png())}]
    )
    assert np.allclose(same, expected[0], atol=1e-6)
    assert sensorium.embed([picture.convert("CMYK"), picture.convert("P")]).shape == (2, DIM)


def test_arrays_become_files_with_their_units(sensorium, client):
    """Pixels as PNG, samples as WAV, measurements as .npy: the same vectors as files made by others."""
    pixels, tone = files.gradient(), files.tone(rate=22_050, channels=2)
    metres = files.depth_mm().astype(np.float32) / 1000
    celsius = np.linspace(10, 30, 48 * 64, dtype=np.float32).reshape(48, 64)
    values = files.imu_values()
    got = sensorium.embed(
        [
            pixels,
            sc.Image(pixels / 255),
            sc.Audio(tone, rate=22_050),
            sc.Audio((tone * 32_767).astype(np.int16), rate=22_050),
            sc.Depth(metres, fx=518.9, baseline=0.075),
            sc.Depth(files.depth_mm(), unit="mm"),
            sc.Thermal(celsius, min_c=0, max_c=40),
            sc.IMU(values, sample_rate=50),
        ]
    )
    sound = {"audio": b64(files.wav_of(tone, rate=22_050))}
    expected = plain(
        client,
        {"image": b64(files.png())},
        {"image": b64(files.png())},
        sound,
        sound,
        {"depth": b64(files.npy(metres)), "fx": 518.9, "baseline": 0.075},
        {"depth": b64(files.depth_png())},
        {"thermal": b64(files.npy(celsius)), "min_c": 0, "max_c": 40},
        {"imu": b64(files.imu_csv(rate=50.0))},
    )
    # 16 bits are coarser than floats.
    assert np.allclose(got, expected, atol=2e-3)
    assert np.allclose(np.delete(got, 3, 0), np.delete(expected, 3, 0), atol=1e-4)


def test_inputs_that_cannot_be_sent_are_named(sensorium, tmp_path):
    """Before anything is sent: what it is and what is accepted."""
    for content, said in (
        (b"bytes", "wrap them"),
        (np.zeros((6, 100)), "wrap it"),
        (sc.Audio(np.zeros(100)), "rate"),
        (sc.IMU(np.zeros((6, 100)), sample_rate=50), "acceleration first"),
        (sc.Image(np.full((4, 4), 70_000)), "uint8"),
        (sc.Image(tmp_path / "absent.png"), "absent.png"),
        (tmp_path / "map.npy", "Depth("),
        (7, "int is no content"),
        ([], "at least one"),
    ):
        with pytest.raises(sc.SensoriumError, match="(?i)" + said.replace("(", r"\(")):
            sensorium.embed(content)


def test_errors_carry_what_the_server_said(sensorium):
    """Message, code, param, status and the request's id, in a class of their own."""
    with pytest.raises(sc.UnusableMediaError) as broken:
        sensorium.embed(["a", sc.Image(files.png()[:80])])
    assert (broken.value.status, broken.value.param) == (422, "input[1]")
    assert "truncated" in broken.value.message
    assert len(broken.value.request_id) == 32
    assert broken.value.request_id in str(broken.value)
    with pytest.raises(sc.NotFoundError) as missing:
        sensorium.embed("a", model="no-such")
    assert missing.value.code == "model_not_found"
    with pytest.raises(sc.WrongTypeError):
        sensorium.embed(sc.Audio(files.png()))
    with pytest.raises(sc.NotFoundError):
        sensorium.collection("nowhere").search("a")


def test_a_collection_is_filled_searched_and_emptied(zoo, sensorium):
    """Items of several kinds, with metadata; blends, stored items and vectors as queries."""
    added = zoo.add_all(
        [
            sc.NewItem("a dog", id="dog", metadata={"kind": "pet"}),
            sc.NewItem(sc.Image(files.png()), id="picture"),
            sc.NewItem(sc.Vector(np.ones(DIM), "audio"), id="vector"),
            "rain",
        ]
    )
    assert [each.status for each in added] == ["stored"] * 4
    assert zoo.info().items == {"text": 2, "image": 1, "audio": 1}
    [first, *_] = zoo.search("a dog", modalities=["text"], with_vector=True)
    assert (first.id, first.metadata) == ("dog", {"kind": "pet"})
    assert first.score == pytest.approx(1, abs=1e-5)
    assert np.allclose(first.vector, sensorium.embed("a dog"), atol=1e-6)
    assert "dog" not in [hit.id for hit in zoo.search(sc.Stored("dog"))]
    blend = [sc.Image(files.png()), sc.Weighted("rain", -0.5)]
    assert len(zoo.search(blend, limit=3)) == 3
    assert [hit.id for hit in zoo.search(sc.Vector(np.ones(DIM), "audio"), modalities=["audio"])] == [
        "vector"
    ]
    assert zoo.media("picture") == files.png()
    assert zoo.get("dog", with_vector=True).vector.shape == (DIM,)
    assert zoo.delete(filter={"must": [{"key": "kind", "match": {"value": "pet"}}]}) == 1
    with pytest.raises(sc.NotFoundError):
        zoo.get("dog")
    assert zoo.name in [each.name for each in sensorium.collections()]


def test_labels_and_similarities(sensorium):
    """One input gives one answer, a list several; a matrix of cosines."""
    one = sensorium.classify("a dog", ["a dog", "rain"])
    assert (one.best, len(one.labels)) == ("a dog", 2)
    assert sum(label.probability for label in one.labels) == pytest.approx(1, abs=1e-5)
    assert [each.best for each in sensorium.classify(["rain", "a dog"], ["a dog", "rain"])] == [
        "rain",
        "a dog",
    ]
    assert sensorium.similarity(["a dog", "rain"], "rain").shape == (2, 1)


def test_a_stored_label_set_takes_the_place_of_labels(sensorium):
    """Kept under a name, used by it, listed, dropped; neither labels nor a set, or both, is refused."""
    sensorium.keep_labels("weather-and-pets", ["a dog", "rain"], ["my {}"])
    try:
        one = sensorium.classify("my rain", label_set="weather-and-pets", top_k=1)
        assert [label.label for label in one.labels] == ["rain"]
        assert one.labels[0].score == pytest.approx(1, abs=1e-5)
        plain = sensorium.classify("rain", label_set="weather-and-pets", templates="plain")
        assert plain.labels[0].score == pytest.approx(1, abs=1e-5)
        kept = {each["name"]: each["count"] for each in sensorium.label_sets()}
        assert kept["weather-and-pets"] == 2
        for wrong in ({}, {"labels": ["a"], "label_set": "weather-and-pets"}):
            with pytest.raises(sc.BadRequestError, match="either"):
                sensorium.classify("rain", **wrong)
    finally:
        sensorium.drop_labels("weather-and-pets")
    with pytest.raises(sc.NotFoundError, match="weather-and-pets"):
        sensorium.classify("rain", label_set="weather-and-pets")
    assert sensorium.similarity("rain", "rain")[0, 0] == pytest.approx(1, abs=1e-5)


def test_a_stream_is_added_in_batches_with_a_result_for_each(zoo):
    """By count and by bytes; a broken item, and one that cannot be sent, never touch their neighbours."""

    def stream():
        for i in range(50):
            yield sc.NewItem(f"text {i}", id=f"t{i}")
        yield sc.NewItem(sc.Image(files.png()[:80]), id="broken")
        yield sc.NewItem(sc.Image("/nowhere/absent.png"), id="absent")
        yield sc.NewItem(sc.Image(files.png()), id="sound")

    results = list(zoo.add(stream(), batching=sc.Batching(items=7, bytes=3000, concurrency=3)))
    assert [each.position for each in results] == list(range(53))
    assert [each.id for each in results[:50]] == [f"t{i}" for i in range(50)]
    assert [each.status for each in results[50:]] == ["error", "error", "stored"]
    assert results[50].error["code"] == "truncated_media"
    assert "absent.png" in results[51].error["message"]
    assert zoo.info().total == 51


def test_a_stream_is_taken_as_it_is_sent_and_resumes_by_id(zoo):
    """An endless generator can be left; what was yielded is stored, and the next run skips it."""
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield sc.NewItem(f"text {taken}", id=f"t{taken}")

    adding = zoo.add(endless(), batching=sc.Batching(items=5, concurrency=2))
    first = [next(adding) for _ in range(10)]
    adding.close()
    assert taken < 60
    stored = set(zoo.ids())
    assert {each.id for each in first} <= stored
    again = zoo.add_all((sc.NewItem(f"text {i}", id=f"t{i}") for i in range(1, 61)), resume=True)
    assert {each.id for each in again if each.status == "skipped"} == stored
    assert zoo.info().total == 60


def test_batches_that_are_too_large_are_halved(zoo):
    """The server takes 64 items at a time; 150 in one batch arrive all the same."""
    items = [sc.NewItem(f"text {i}", id=f"t{i}") for i in range(150)]
    results = zoo.add_all(items, batching=sc.Batching(items=150, concurrency=1))
    assert [each.id for each in results] == [f"t{i}" for i in range(150)]
    assert all(each.ok for each in results)


@pytest.mark.parametrize("trouble", [{"busy": 2}, {"lost": 2}, {"busy": 1, "lost": 1}], ids=str)
def test_busy_servers_and_lost_connections_are_tried_again(tmp_path, trouble):
    """429 with Retry-After and cut lines pass unseen; with too few attempts they are told."""
    with busy_server(tmp_path, "/v1/embeddings", **trouble) as (gate, url):
        with sc.Client(url, retries=QUICK) as client:
            assert client.embed("a dog").shape == (DIM,)
        assert gate.seen == 3
        gate.seen = 0
        told = sc.OverloadedError if "busy" in trouble else sc.ConnectionFailedError
        with sc.Client(url, retries=sc.Retries(attempts=1)) as client, pytest.raises(told):
            client.embed("a dog")


def test_retry_after_is_honoured_up_to_the_longest_wait():
    """Seconds and dates; nonsense and its absence mean the growing wait."""
    retries = sc.Retries(first_s=0.5, longest_s=4)

    def wait(value, attempt=1):
        headers = {} if value is None else {"retry-after": value}
        return retries.after_answer(attempt, httpx.Response(429, headers=headers))

    assert wait("2") == 2
    assert wait("3600") == 4
    assert wait("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert 0.25 <= wait(None) <= 0.5
    assert 1 <= wait("soon", attempt=3) <= 2
    assert wait("2", attempt=5) is None
    assert retries.after_answer(1, httpx.Response(500)) is None


def test_nobody_there_and_nobody_in_time(unused_port):
    """A refused connection after all attempts, and an answer that does not come."""
    nobody = sc.Client(f"http://127.0.0.1:{unused_port}", retries=QUICK)
    with nobody as client, pytest.raises(sc.ConnectionFailedError, match="5 attempts"):
        client.models()
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}"
        with sc.Client(url, timeout=0.1, retries=QUICK) as client, pytest.raises(sc.TimedOutError):
            client.embed("a dog")


def test_the_asynchronous_client_does_the_same(server):
    """Embed, fill, search, classify, stream and errors through AsyncClient."""

    async def tour():
        async with sc.AsyncClient(server[1], retries=QUICK) as client:
            zoo = await client.create("async-zoo")
            items = (sc.NewItem(f"text {i}", id=f"t{i}") for i in range(30))
            results = [each async for each in zoo.add(items, batching=sc.Batching(items=4, concurrency=3))]
            assert [each.id for each in results] == [f"t{i}" for i in range(30)]
            assert (await zoo.search("text 7", limit=1))[0].id == "t7"
            again = await zoo.add_all([sc.NewItem("text 1", id="t1")], resume=True)
            assert again[0].status == "skipped"
            assert (await client.embed(["a", "b"])).shape == (2, DIM)
            assert (await client.classify("a dog", ["a dog", "rain"])).best == "a dog"
            await client.keep_labels("pets", ["a dog", "rain"])
            assert (await client.classify("a dog", label_set="pets")).best == "a dog"
            assert "pets" in [each["name"] for each in await client.label_sets()]
            await client.drop_labels("pets")
            assert (await client.similarity("a", "a")).shape == (1, 1)
            assert len([item async for item in zoo.items()]) == 30
            with pytest.raises(sc.NotFoundError):
                await zoo.get("absent")
            await zoo.drop()

    asyncio.run(tour())


def test_the_client_needs_only_httpx_and_numpy():
    """Importing it brings neither torch nor the server, and its distribution asks for nothing else."""
    program = (
        "import sys, sensorium_client\n"
        "heavy = {'torch', 'faiss', 'PIL', 'pydantic', 'fastapi', 'service', 'models', 'index'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    source = Path(sc.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    described = (source.parent / "pyproject.toml").read_text(encoding="utf-8")
    assert 'dependencies = ["httpx>=0.27", "numpy>=1.26"]' in described
