"""`sensorium ingest` as its users run it: in process with the bundled model, and through a running server."""

import json
import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from index import Store
from service.bulk.candidates import Fault
from service.bulk.kinds import modality_of, said_by_names
from service.bulk.progress import line_of
from service.bulk.report import Report
from service.bulk.walking import excluded, files_below, fits
from service.cli import cli
from tests import media_files as files
from tests.index_samples import MODEL


def sensorium(*words, **environment):
    return CliRunner().invoke(cli, list(map(str, words)), env=environment)


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "media"
    (made / "thermal").mkdir(parents=True)
    for name, data in {
        "a.jpg": files.jpeg(),
        "b.wav": files.wav(),
        "walk.csv": files.imu_csv(),
        "room-depth.png": files.depth_png(),
        "thermal/1.png": files.thermal8_png(),
        "note.txt": b"a dog barking",
        "broken.png": files.png()[:60],
    }.items():
        (made / name).write_bytes(data)
    return made


IDS = {"a.jpg", "b.wav", "walk.csv", "room-depth.png", "thermal/1.png", "note.txt"}


def test_the_bundled_model_fills_a_data_folder(tmp_path, folder):
    """Broken files are named, the report holds them, the exit code is 1; again without them it is 0."""
    words = ("ingest", folder, "--collection", "things", "--data-dir", tmp_path / "data", "--text")
    done = sensorium(*words, "--report", tmp_path / "report.json", "--workers", 1)
    assert done.exit_code == 1, done.stderr
    assert "6 stored" in done.stderr
    assert "broken.png: " in done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["stored"], report["failed"], report["errors"][0]["file"]) == (6, 1, "broken.png")
    with Store.open(tmp_path / "data") as store:
        assert {item.id for item in store.get("things").page(100).items} == IDS
        locked = sensorium(*words)
    assert locked.exit_code == 1
    assert "--server URL" in locked.stderr
    again = sensorium(*words, "--exclude", "broken*", "--quiet")
    assert again.exit_code == 0, again.stderr
    assert "0 stored, 6 unchanged, 0 failed" in again.stderr


def test_a_running_server_is_filled_through_http(serve, folder, tmp_path):
    """The same items, faults and second run as in process; what changed is replaced, what vanished pruned."""
    client = serve()
    words = ("ingest", folder, "--collection", "things", "--server", str(client.base_url), "--text")
    first = sensorium(*words, "--report", tmp_path / "report.json")
    assert first.exit_code == 1
    assert "6 stored" in first.stderr
    assert "truncated" in json.loads((tmp_path / "report.json").read_text())["errors"][0]["message"]
    items = client.get("/v1/collections/things/items").json()["items"]
    assert {item["id"] for item in items} == IDS
    assert {item["modality"] for item in items} == {"image", "audio", "imu", "depth", "thermal", "text"}
    assert client.get("/v1/collections/things/items/a.jpg/media").content == files.jpeg()
    (folder / "broken.png").write_bytes(files.png())
    (folder / "a.jpg").write_bytes(files.jpeg(20, 20))
    (folder / "b.wav").unlink()
    second = sensorium(*words, "--prune")
    assert second.exit_code == 0, second.stderr
    assert "2 stored (2 image), 4 unchanged, 0 failed" in second.stderr
    assert "1 of the stored ones had changed; 1 deleted" in second.stderr
    items = client.get("/v1/collections/things/items").json()["items"]
    assert {item["id"] for item in items} == IDS - {"b.wav"} | {"broken.png"}


@pytest.mark.parametrize(("scopes", "lacks"), [("write", "read"), ("read", "write")])
def test_a_key_that_may_not_do_all_of_it_leaves_nothing_behind(serve, folder, scopes, lacks):
    """The scope that is missing is named before a collection is made; with both, the same command works."""
    half, whole = "half-a-secret-012345", "whole-secret-0123456"
    client = serve(api_keys=f"half:{scopes}:{half},whole:read+write:{whole}")
    words = ("ingest", folder, "--collection", "things", "--server", str(client.base_url), "--exclude", "b*")
    refused = sensorium(*words, "--key", half)
    assert refused.exit_code == 1
    assert f"the scope '{lacks}'" in refused.stderr
    headers = {"authorization": f"Bearer {whole}"}
    assert client.get("/v1/collections/things", headers=headers).status_code == 404
    assert sensorium(*words, "--key", whole).exit_code == 0


def test_the_progress_counts_what_is_to_be_stored():
    """What was passed over, a sidecar among it, is no part of the whole."""
    report = Report()
    assert line_of(report).startswith("0/? files")
    report.total = 10
    report.store("image", replaced=False)
    report.fail(Fault("a.png", "broken"))
    report.pass_over(".json")
    assert line_of(report).startswith("2/9 files")
    report.pass_over(".pdf")
    assert (report.settled, report.expected) == (2, 8)
    report.finished = True
    assert line_of(report).startswith("2/2 files")


def test_more_files_than_a_request_takes_come_in_several(serve, tmp_path):
    """A server that takes little at a time is sent halves; a single file over its limit is named."""
    client = serve(max_body_bytes=60_000)
    for n in range(70):
        (tmp_path / f"{n}.txt").write_bytes(b"word " * (n + 1) * 20)
    (tmp_path / "long.wav").write_bytes(files.wav(3.0))
    done = sensorium(
        "ingest", tmp_path / "*.*", "--collection", "things", "--server", str(client.base_url), "--text"
    )
    assert done.exit_code == 1
    assert "70 stored (70 text), 0 unchanged, 1 failed" in done.stderr
    assert "long.wav: " in done.stderr
    assert client.get("/v1/collections/things").json()["items"] == {"text": 70}


TWICE = """
import os, signal, time
from concurrent.futures import ThreadPoolExecutor
from service.commands.ingest import stopped_by_ctrl_c

with stopped_by_ctrl_c() as stop:
    ThreadPoolExecutor(1).submit(time.sleep, 600)
    os.kill(os.getpid(), signal.SIGINT)
    print("asked" if stop.is_set() else "not asked", flush=True)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(600)
"""


def test_a_second_ctrl_c_waits_for_no_batch():
    """The first one asks; the second one ends the process, whatever its threads are at."""
    done = subprocess.run([sys.executable, "-c", TWICE], capture_output=True, timeout=60, check=False)
    assert (done.stdout, done.returncode) == (b"asked\n", 130)


def test_what_cannot_begin_is_said(tmp_path):
    """No such source, no address, a wrong modality, another model's collection, contradicting options."""
    (tmp_path / "a.png").write_bytes(files.png())
    with Store.open(tmp_path / "data") as store:
        store.create("others", **MODEL)
    here = ("--data-dir", tmp_path / "data")
    for words, said, code in (
        ((tmp_path / "nothing", *here), "manifest", 1),
        ((tmp_path, *here, "--modality", "smell"), "thermal", 1),
        ((tmp_path, *here, "--server", "http://127.0.0.1:1"), "either --server or --data-dir", 2),
        ((tmp_path, "--server", "nonsense"), "no address", 1),
        ((tmp_path, *here, "--report", tmp_path / "absent" / "r.json"), "cannot be written: No such file", 2),
        ((tmp_path, *here, "--report", tmp_path), "cannot be written: Is a directory", 2),
        ((tmp_path / "*.png", "--data-dir", tmp_path / "data"), "sensorium reembed others", 1),
    ):
        done = sensorium("ingest", *words, "--collection", "others")
        assert done.exit_code == code, done.stderr
        assert said in done.stderr
        assert "Traceback" not in done.output


@pytest.mark.parametrize(
    ("name", "modality"),
    [
        ("room-depth.png", "depth"),
        ("gate_thermal.tiff", "thermal"),
        ("scans/depth/0001.png", "depth"),
        ("depth/rgb/0001.png", "image"),
        ("Depth_Maps/x.TIF", "depth"),
        ("depth/talk.wav", "audio"),
        ("depth/photo.jpg", "image"),
        ("infrared/photo.jpg", "thermal"),
        ("depth.png", "image"),
        ("imu/1.npy", "imu"),
        ("maps/1.npy", "open"),
        ("x.csv", "imu"),
        ("x.mkv", "video"),
        ("x.json", None),
    ],
)
def test_names_tell_the_modality(tmp_path, name, modality):
    """The rule of docs/ingest.md: last word, nearest folder, ending."""
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"{}")
    assert modality_of(path, path.relative_to(tmp_path)) == modality
    assert said_by_names(path.relative_to(tmp_path)) in (modality, None)


@pytest.mark.parametrize(
    ("pattern", "name", "holds"),
    [
        ("*.jpg", "a.jpg", True),
        ("*.jpg", "b/a.jpg", False),
        ("**/*.jpg", "a.jpg", True),
        ("**/*.jpg", "b/c/a.jpg", True),
        ("b/*/a.jpg", "b/c/a.jpg", True),
        ("b/*/a.jpg", "b/c/d/a.jpg", False),
        ("b/**", "b/c/d/a.jpg", True),
        ("[ab].jpg", "c.jpg", False),
    ],
)
def test_patterns_fit_paths(pattern, name, holds):
    """Steps between slashes, `**` for any number of folders."""
    assert fits(name.split("/"), pattern.split("/")) is holds


def test_walks_leave_out_what_is_hidden_excluded_or_elsewhere(tmp_path):
    """Hidden names, links to folders, excluded names and paths; odd names are walked like others."""
    for name in ("a.jpg", ".b.jpg", "c/d.jpg", "c/e.png", ".f/g.jpg", "x y\n.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe.jpg")
    names = {str(name) for _, name in files_below(tmp_path, (), ("c/*.png",))}
    assert names == {"a.jpg", "c/d.jpg", "x y\n.jpg"}
    assert excluded(next(iter(tmp_path.glob("c"))).relative_to(tmp_path), ("c",))
