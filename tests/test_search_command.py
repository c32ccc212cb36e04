"""`sensorium search` and `sensorium classify`: against a real server, and in process."""

import json
import re

import pytest
from PIL import Image
from typer.testing import CliRunner

from index import Item, Row, Store
from service.bulk import pictures
from service.cli import cli
from tests import media_files as files
from tests.index_samples import MODEL, vector


def sensorium(*words, **environment):
    return CliRunner().invoke(cli, list(map(str, words)), env=environment)


@pytest.fixture
def media(tmp_path):
    for name, data in {
        "red.png": files.png(),
        "tone.wav": files.wav(),
        "room.npy": files.depth_npy(),
        "walk.npy": files.npy(files.imu_values()),
        "note.txt": b"a dog barking",
    }.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


@pytest.fixture
def url(serve, media):
    """The address of a server whose collection `things` holds the media."""
    client = serve()
    address = str(client.base_url)
    done = sensorium(
        "ingest", media / "*.*", "--collection", "things", "--server", address, "--text", "--exclude", "*.npy"
    )
    assert done.exit_code == 0, done.stderr
    items = [{"id": "bark", "content": "a dog barking", "metadata": {"lang": "en", "ingest": {"hash": "x"}}}]
    client.post("/v1/collections/things/items", json={"items": items})
    return address


def first(done):
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)["results"][0]


def test_each_kind_of_query_finds_its_like(url, media):
    """A text, a picture, a sound, a stored item, each nearest to itself; the answer is the service's."""
    ask = ("search", "things", "--server", url, "--json", "--limit", 1)
    assert first(sensorium(*ask, "a dog barking", "--modalities", "text"))["score"] > 0.999
    assert first(sensorium(*ask, "--image", media / "red.png", "--modalities", "image"))["id"] == "red.png"
    sound = first(sensorium(*ask, "--audio", media / "tone.wav", "--modalities", "audio"))
    assert (sound["id"], round(sound["score"], 4)) == ("tone.wav", 1)
    assert first(sensorium(*ask, "--id", "bark", "--modalities", "text"))["id"] == "note.txt"
    found = sensorium(*ask, "x", "--filter", '{"must": [{"key": "lang", "match": {"value": "en"}}]}')
    assert first(found)["id"] == "bark"


def test_blends_take_weights_and_minus(url, media):
    """The score of a blend is that of the weighted sum; parameters reach the decoders of depth and IMU."""
    ask = ("search", "things", "--server", url, "--json", "--limit", 5)
    plain = sensorium(*ask, "a dog barking", "--modalities", "text")
    away = sensorium(
        *ask,
        "--image",
        media / "red.png",
        "--minus",
        "a dog barking",
        "--weight",
        0.01,
        "--modalities",
        "text",
    )
    assert first(away)["score"] < -0.9 < 0.9 < first(plain)["score"]
    by_file = sensorium(
        *ask, "a dog", "--minus", media / "tone.wav", "--weight", 0.01, "--modalities", "audio"
    )
    assert first(by_file)["score"] < -0.9
    every = sensorium(
        *ask,
        "x",
        "--depth",
        media / "room.npy",
        "--unit",
        "m",
        "--imu",
        media / "walk.npy",
        "--sample-rate",
        50,
    )
    assert every.exit_code == 0, every.stderr
    refused = sensorium(*ask, "--imu", media / "walk.npy")
    assert refused.exit_code == 1
    assert "sample_rate" in refused.stderr


def test_the_table_shows_scores_and_metadata(url):
    """Rank, score, calibrated score, modality, id, the file; what the ingest keeps for itself is left out."""
    done = sensorium(
        "search", "things", "a dog barking", "--server", url, "--limit", 2, "--modalities", "text"
    )
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["score", "calibrated", "modality", "id", "metadata"]
    assert re.fullmatch(r"1\s+1\.000\s+\S+\s+text\s+\S+.*", lines[1].strip())
    assert "lang: en" in done.stdout
    assert "file: note.txt" in done.stdout
    assert "ingest" not in done.stdout


def test_thumbnails_are_drawn_where_asked_for(url):
    """Half blocks without a graphics protocol, kitty's where the terminal says so; only pictures have one."""
    ask = ("search", "things", "--server", url, "x", "--modalities", "image", "--limit", 1)
    plain = {"TERM": "xterm", "KITTY_WINDOW_ID": "", "TERM_PROGRAM": ""}
    assert "▀" not in sensorium(*ask, **plain).stdout
    assert "▀" in sensorium(*ask, "--thumbnails", **plain).stdout
    assert "\x1b_Ga=T" in sensorium(*ask, "--thumbnails", **{**plain, "KITTY_WINDOW_ID": "1"}).stdout


def test_protocols_hold_the_picture():
    """kitty and iTerm carry a PNG, sixels as many rows as the picture has, half blocks its two colours."""
    image = Image.new("RGB", (12, 12), (255, 0, 0))
    image.paste((0, 0, 255), (0, 6, 12, 12))
    assert pictures.kitty(image).startswith("\x1b_Ga=T,f=100,m=0;iVBOR")
    assert "width=12px" in pictures.iterm(image)
    sixels = pictures.sixels(image)
    assert sixels.startswith("\x1bPq")
    assert sixels.count("-") == 2
    assert sixels.count("~" * 12) == 2
    assert "38;2;255;0;0" in pictures.half_blocks(image)
    assert "48;2;0;0;255" in pictures.half_blocks(image)
    assert pictures.protocol({"TERM": "foot"}) is pictures.sixels
    assert pictures.protocol({"TERM_PROGRAM": "iTerm.app"}) is pictures.iterm
    assert pictures.protocol({"TERM": "xterm"}) is None


def test_classify_names_the_best_label(url, media):
    """The service's own answer: probabilities that sum to 1, templates by name or as prompts."""
    ask = ("classify", media / "red.png", "--labels", "a dog, a cat,rain", "--server", url)
    answer = json.loads(sensorium(*ask, "--json").stdout)["data"][0]
    assert answer["modality"] == "image"
    assert {each["label"] for each in answer["labels"]} == {"a dog", "a cat", "rain"}
    assert sum(each["probability"] for each in answer["labels"]) == pytest.approx(1)
    lines = sensorium(*ask, "--templates", "a photo of {}|{}", "--top", 1).stdout.splitlines()
    assert re.fullmatch(r"\s*\d+\.\d%  -?\d\.\d{3}  (a dog|a cat|rain)", lines[0])
    text = sensorium("classify", media / "note.txt", "--labels", "x,y", "--server", url, "--json")
    assert json.loads(text.stdout)["data"][0]["modality"] == "text"


def test_what_cannot_be_asked_is_said(url, media, unused_port):
    """No query, no JSON, too many weights, open files, unknown collection and templates, nobody there."""
    search, at = ("search", "things"), ("--server", url)
    nobody = f"http://127.0.0.1:{unused_port}"
    for words, said, code in (
        ((*search, *at), "--image FILE", 2),
        ((*search, "x", "--filter", "{", *at), "not valid JSON", 2),
        ((*search, "x", "--weight", 1, "--weight", 2, *at), "2 weights", 2),
        ((*search, "--image", media / "absent.png", *at), f"there is no file {media / 'absent.png'}", 1),
        ((*search, "--image", media, *at), f"{media} is a folder, not a file", 1),
        (("classify", media / "absent.png", "--labels", "x", *at), "there is no file", 1),
        (("search", "nobody", "x", *at), "no collection 'nobody'", 1),
        ((*search, "x", "--server", nobody), "no answer from", 1),
        (("classify", media / "room.npy", "--labels", "x", *at), "--modality", 2),
        (("classify", media / "red.png", "--labels", "x", "--templates", "poem", *at), "templates", 1),
    ):
        done = sensorium(*words)
        assert done.exit_code == code, done.stderr
        assert said in done.stderr
        assert "Traceback" not in done.output
        assert "Errno" not in done.output


def test_a_server_that_asks_for_a_key_says_how_it_is_given(serve, media):
    """Without a key and with a wrong one, each command names the option and the variable."""
    secret = "k" * 40
    at = ("--server", str(serve(api_keys=f"app:read+write:{secret}").base_url))
    for words in (
        ("search", "things", "x"),
        ("classify", media / "red.png", "--labels", "x,y"),
        ("ingest", media / "*.png", "--collection", "things"),
    ):
        for environment in ({}, {"SENSORIUM_API_KEY": "wrong" * 8}):
            done = sensorium(*words, *at, **environment)
            assert done.exit_code == 1
            assert "--key" in done.stderr
            assert "SENSORIUM_API_KEY" in done.stderr
    keyed = sensorium("classify", media / "red.png", "--labels", "x,y", *at, "--key", secret)
    assert keyed.exit_code == 0, keyed.stderr


def test_both_work_without_a_server(tmp_path, media):
    """The bundled model knows its files again; a folder that is held or of another model is said."""
    data = ("--data-dir", tmp_path / "data")
    done = sensorium("ingest", media / "*.wav", "--collection", "things", "--workers", 1, "--quiet", *data)
    assert done.exit_code == 0, done.stderr
    found = first(sensorium("search", "things", "--audio", media / "tone.wav", "--json", *data))
    assert (found["id"], round(found["score"], 4)) == ("tone.wav", 1)
    classified = sensorium("classify", media / "tone.wav", "--labels", "a beep,a dog", "--json")
    assert json.loads(classified.stdout)["model"] == "sensorium-small"
    with Store.open(tmp_path / "data") as store:
        store.create("others", **MODEL)[0].upsert([Item("a", "text", (Row(vector(1)),))])
        held = sensorium("search", "things", "x", *data)
    assert held.exit_code == 1
    assert "--server URL" in held.stderr
    other = sensorium("search", "others", "x", *data)
    assert other.exit_code == 1
    assert "sensorium reembed others" in other.stderr
