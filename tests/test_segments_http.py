"""Long recordings are stored whole and in segments, and found by what one of their parts holds."""

import base64

import httpx
import numpy as np
import pytest
from typer.testing import CliRunner

import sensorium_client
from index import Segment, Store
from models.modalities import decode
from models.samples import AudioSample
from service.app import create_app
from service.cli import cli
from service.fetching.fetcher import Fetcher
from service.fetching.policy import Policy
from service.reembedding import reembed
from service.settings import Settings
from tests import media_files as files
from tests.conftest import PATIENCE_S, running, wait_until_ready
from tests.odd_hosts import Detour, resolve, running_host
from tests.recordings import RATE, STRIPES, hiss, long_sound, stripes, walk_then_turn
from tests.small_embedder import small_embedder
from tests.test_jobs import ended

THINGS = "/v1/collections/things"


def b64(data):
    return base64.b64encode(data).decode()


def part(modality, data):
    return {modality: b64(data)}


def overlaps(segment, span):
    return segment is not None and segment["start_s"] < span.end_s and segment["end_s"] > span.start_s


def found(client, query, **wanted):
    answer = client.post(f"{THINGS}/search", json={"query": query, **wanted})
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]


def vectors_of(client, modality):
    """How many vectors there are of a modality."""
    shelves = client.get(THINGS).json()["shelves"]
    return shelves[modality]["vectors"] if modality in shelves else 0


@pytest.fixture(scope="module")
def long_wav():
    return files.wav_of(long_sound())


@pytest.fixture(scope="module")
def filled(tmp_path_factory, small_model, long_wav, long_mp4):
    """A client of a server of the model of the package, with long and short sounds, films and movements."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("segments"), gallery=False)
    with running(create_app(settings, small_model)) as url:
        wait_until_ready(url)
        with httpx.Client(base_url=url, timeout=PATIENCE_S) as client:
            client.put(THINGS, json={})
            items = [
                {"id": "long", "content": part("audio", long_wav), "metadata": {"length": "long"}},
                {"id": "hiss", "content": part("audio", files.wav_of(hiss(5, 1)))},
                {"id": "low", "content": part("audio", files.wav(5, 100))},
                {"id": "film", "content": part("video", long_mp4), "metadata": {"length": "long"}},
                {"id": "clip", "content": part("video", files.mp4())},
                {
                    "id": "moves",
                    "content": {"imu": b64(files.imu_csv(3000, values=walk_then_turn()))},
                    "metadata": {"length": "long"},
                },
                {"id": "words", "content": "a long text about nothing"},
            ]
            answer = client.post(f"{THINGS}/items", json={"items": items}).json()
            assert answer["stored"] == 7, answer
            client.notes = {each["id"]: each["notes"] for each in answer["results"]}
            yield client


def test_a_long_sound_is_found_by_its_part(filled):
    """Once, with the stretch; the note of its storing tells of segments."""
    hits = found(filled, part("audio", files.wav(3, 440)), modalities=["audio"])
    assert [hit["id"] for hit in hits].count("long") == 1
    assert hits[0]["id"] == "long"
    assert hits[0]["segment"] == {"start_s": 30.0, "end_s": 40.0}
    assert hits[0]["score"] > 0.9
    assert any("6 segments of 10.0 s" in note for note in filled.notes["long"])


def test_a_long_film_is_found_by_its_part(filled):
    """A picture finds the film once, with the stretch that shows it."""
    hits = found(filled, part("image", files.picture_bytes(stripes())), modalities=["video"])
    assert [hit["id"] for hit in hits] == ["film", "clip"]
    assert overlaps(hits[0]["segment"], STRIPES)
    assert hits[0]["segment"] == {"start_s": 20.0, "end_s": 30.0}


def test_a_long_movement_is_found_by_its_part(filled):
    """As sounds and films are."""
    turn = files.imu_csv(500, values=walk_then_turn()[2000:2500])
    [hit] = found(filled, {"imu": b64(turn)}, modalities=["imu"])
    assert hit["segment"] == {"start_s": 40.0, "end_s": 50.0}


def test_the_vector_of_the_whole_is_that_of_the_embeddings_endpoint(filled, long_wav, long_mp4):
    """An item gives it, is searched by it, and the same file finds it with a cosine of 1 and no segment."""
    for name, content in (("long", part("audio", long_wav)), ("film", part("video", long_mp4))):
        data = filled.post("/v1/embeddings", json={"input": [content]}).json()["data"]
        stored = filled.get(f"{THINGS}/items/{name}?with_vector=true").json()["vector"]
        np.testing.assert_allclose(stored, data[0]["embedding"], atol=1e-6)
        hit = found(filled, content, limit=1, modalities=[next(iter(content))])[0]
        assert (hit["id"], hit.get("segment")) == (name, None)
        assert hit["score"] == pytest.approx(1, abs=1e-6)
        by_id = found(filled, {"id": name}, with_vector=True)
        by_file = found(filled, content, with_vector=True)
        scores = {each["id"]: each["score"] for each in by_file}
        assert name not in {each["id"] for each in by_id}
        assert all(each["score"] == pytest.approx(scores[each["id"]], abs=1e-6) for each in by_id)


def test_a_segment_is_what_its_stretch_would_be_as_a_file(filled):
    """The row that was found has the vector of the cut out sound."""
    cut = files.wav_of(long_sound()[30 * RATE : 40 * RATE])
    embedding = filled.post("/v1/embeddings", json={"input": [part("audio", cut)]}).json()["data"][0]
    hit = found(filled, part("audio", cut), modalities=["audio"], limit=1, with_vector=True)[0]
    assert hit["segment"] == {"start_s": 30.0, "end_s": 40.0}
    np.testing.assert_allclose(hit["vector"], embedding["embedding"], atol=1e-6)


def test_short_recordings_have_one_vector(filled):
    """Items are counted, not vectors: 3 sounds have 1 + 6 + 1 + 1."""
    info = filled.get(THINGS).json()
    assert info["items"] == {"audio": 3, "imu": 1, "text": 1, "video": 2}
    assert {name: shelf["vectors"] for name, shelf in info["shelves"].items()} == {
        "audio": 9,
        "imu": 7,
        "text": 1,
        "video": 8,
    }
    assert filled.get(f"{THINGS}/items/long").json()["segments"][0] == {"start_s": 0.0, "end_s": 10.0}
    assert "segments" not in filled.get(f"{THINGS}/items/low").json()
    assert len(filled.get(f"{THINGS}/items").json()["items"]) == 7
    assert filled.get(f"{THINGS}/map").status_code == 200


@pytest.mark.parametrize(
    "wanted",
    [
        {"per_modality": 2},
        {"calibrate": False},
        {"filter": {"must": [{"key": "length", "match": {"value": "long"}}]}},
        {"diversity": 0.5},
        {"limit": 2, "offset": 1},
        {"group_by": "length"},
        {"fusion": "rrf"},
    ],
    ids="-".join,
)
def test_every_kind_of_search_answers_an_item_once(filled, wanted):
    """Whatever is asked for, no item is there twice."""
    query = [part("audio", files.wav(3, 440)), {"text": "a tone"}]
    ids = [hit["id"] for hit in found(filled, query, **wanted)]
    assert ids
    assert len(ids) == len(set(ids))
    if "offset" in wanted:
        everything = [hit["id"] for hit in found(filled, query)]
        assert ids == everything[1:3]


def test_the_python_client_tells_of_segments(filled):
    """Those of an item, and the one that was found."""
    with sensorium_client.Client(str(filled.base_url)) as client:
        collection = client.collection(THINGS.rpartition("/")[2])
        whole = collection.get("long")
        assert whole.segments[3] == sensorium_client.Segment(30.0, 40.0)
        assert len(whole.segments) == 6
        assert collection.get("low").segments == ()
        pages = {item.id: len(item.segments) for item in collection.items()}
        assert (pages["long"], pages["words"]) == (6, 0)


def test_segments_come_and_go_with_their_item(serve, long_wav):
    """Replacing leaves only the vectors of the new content, and deleting none; forms are as JSON."""
    client = serve()
    client.put(THINGS, json={})
    form = {"files": [("file", ("a.wav", long_wav, "audio/wav"))], "data": {"ids": '{"a.wav": "a"}'}}
    assert client.post(f"{THINGS}/items", **form).json()["stored"] == 1
    assert vectors_of(client, "audio") == 7
    client.post(f"{THINGS}/items", json={"items": [{"id": "a", "content": part("audio", long_wav)}]})
    assert vectors_of(client, "audio") == 7
    client.post(f"{THINGS}/items", json={"items": [{"id": "a", "content": part("audio", files.wav(5))}]})
    assert vectors_of(client, "audio") == 1
    client.post(f"{THINGS}/items", json={"items": [{"id": "a", "content": part("audio", long_wav)}]})
    assert client.delete(f"{THINGS}/items/a").json() == {"deleted": 1}
    assert vectors_of(client, "audio") == 0


def test_segments_can_be_switched_off_and_bounded(serve, tmp_path, long_wav):
    """0 s: one vector; at most 3: three longer ones and the whole."""
    item = {"items": [{"id": "a", "content": part("audio", long_wav)}]}
    off = serve(segment_s=0, data_dir=tmp_path / "off")
    few = serve(max_segments=3, data_dir=tmp_path / "few")
    for client, vectors in ((off, 1), (few, 4)):
        client.put(THINGS, json={})
        assert client.post(f"{THINGS}/items", json=item).json()["stored"] == 1
        assert vectors_of(client, "audio") == vectors


def test_a_long_recording_does_not_fill_the_queue(serve, long_wav):
    """40 segments are stored where 4 inputs may wait, and what blends hold has none."""
    client = serve(queue_limit=4, batch_views=2, segment_s=1.5)
    client.put(THINGS, json={})
    blend = {"parts": [part("audio", long_wav), {"text": "a tone", "weight": 0.2}]}
    items = [{"id": "a", "content": part("audio", long_wav)}, {"id": "b", "content": blend}]
    assert client.post(f"{THINGS}/items", json={"items": items}).json()["stored"] == 2
    assert vectors_of(client, "audio") == 42


def test_ingests_of_folders_store_segments_as_requests_do(tmp_path, small_model, long_wav, long_mp4):
    """A job and the command leave the same rows behind, with the same vectors."""
    media = tmp_path / "media"
    media.mkdir()
    contents = {"long.wav": long_wav, "film.mp4": long_mp4, "short.wav": files.wav()}
    for name, data in contents.items():
        (media / name).write_bytes(data)
    settings = Settings(data_dir=tmp_path / "a", ingest_roots=(media,), ingest_processes=1, gallery=False)
    with running(create_app(settings, small_model)) as url:
        wait_until_ready(url)
        with httpx.Client(base_url=url, timeout=PATIENCE_S) as client:
            client.put(THINGS, json={})
            job = client.post("/v1/jobs", json={"collection": "things", "source": str(media)}).json()
            assert ended(client, job["id"])["stored"] == 3
            client.put("/v1/collections/sent", json={})
            for name, data in contents.items():
                form = {"files": [("file", (name, data))], "data": {"ids": f'{{"{name}": "{name}"}}'}}
                assert client.post("/v1/collections/sent/items", **form).json()["stored"] == 1
    words = ("ingest", media, "--collection", "things", "--data-dir", tmp_path / "b", "--workers", 1)
    assert CliRunner().invoke(cli, [*map(str, words)]).exit_code == 0
    with Store.open(tmp_path / "a") as a, Store.open(tmp_path / "b") as b:
        for name, rows in (("long.wav", 7), ("film.mp4", 7), ("short.wav", 1)):
            each = [store.get(where) for store, where in ((a, "sent"), (a, "things"), (b, "things"))]
            segments = [one.get(name).segments for one in each]
            assert len(segments[0]) == rows
            assert segments[0][0] is None
            assert segments[1:] == [segments[0]] * 2
            first, *others = [one.vectors(name)[1] for one in each]
            for other in others:
                np.testing.assert_allclose(other, first, atol=1e-6)


def test_segments_are_there_after_another_model_has_encoded_the_item(tmp_path, long_wav):
    """With the same bounds, whatever the settings say by then."""
    one, other = small_embedder(seed=0), small_embedder("other", seed=1)
    with running(create_app(Settings(data_dir=tmp_path, gallery=False), one)) as url:
        wait_until_ready(url)
        with httpx.Client(base_url=url, timeout=PATIENCE_S) as client:
            client.put(THINGS, json={})
            items = [{"id": "a", "content": part("audio", long_wav)}, {"id": "b", "content": "words"}]
            client.post(f"{THINGS}/items", json={"items": items})
    assert reembed(other, Settings(data_dir=tmp_path, segment_s=0), "things", drop_missing=False) == 0
    sample = decode("audio", long_wav)
    with Store.open(tmp_path) as store:
        things = store.get("things")
        assert things.get("a").segments == (None, *(Segment(10.0 * i, 10.0 * i + 10) for i in range(6)))
        assert things.get("b").segments == (None,)
        _, vectors = things.vectors("a")
    np.testing.assert_allclose(vectors[0], other.embed("audio", [sample])[0], atol=1e-6)
    cut = AudioSample(sample.waveform[30 * RATE : 40 * RATE])
    np.testing.assert_allclose(vectors[4], other.embed("audio", [cut])[0], atol=1e-6)


def test_the_command_shows_which_part_was_found(filled, tmp_path):
    """Beside the name of the item stands its stretch."""
    (tmp_path / "tone.wav").write_bytes(files.wav(3, 440))
    words = ("search", "things", "--audio", tmp_path / "tone.wav", "--server", filled.base_url)
    done = CliRunner().invoke(cli, [*map(str, words)])
    assert done.exit_code == 0, done.stderr
    assert "30.0-40.0 s" in next(line for line in done.stdout.splitlines() if "long" in line)


def test_a_fetched_recording_has_segments(tmp_path):
    """What an address leads to is stored as what is sent; 0.2 s are long here."""
    values = {"fetch": "public", "fetch_http": True, "segment_s": 0.05, "gallery": False}
    settings = Settings(data_dir=tmp_path, **values)
    with running_host() as (_, port):
        app = create_app(
            settings, small_embedder(), fetcher=Fetcher(Policy.of(settings), resolve, Detour(port))
        )
        with running(app) as url, httpx.Client(base_url=url, timeout=PATIENCE_S) as client:
            wait_until_ready(url)
            client.put(THINGS, json={})
            item = {"id": "a", "content": {"audio": "http://media.test.example/tone.wav"}}
            assert client.post(f"{THINGS}/items", json={"items": [item]}).json()["stored"] == 1
            assert vectors_of(client, "audio") == 5
