"""The command `sensorium`, run as its users run it."""

import json
import os
import signal
import subprocess
import sys
import time

import httpx
import numpy as np
import pytest
from typer.testing import CliRunner

import models
from models.modalities import decode
from service.cli import cli
from tests import media_files as files
from tests.reference_weights import save

PATIENCE_S = 90


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A checkpoint of the reduced ImageBind."""
    return save("nano", tmp_path_factory.mktemp("weights") / "nano.pth")


def sensorium(*words, **environment):
    """The finished command: `exit_code`, `stdout`, `stderr`."""
    return CliRunner().invoke(cli, list(map(str, words)), env=environment)


def write(folder, **contents):
    """Files by name (`__` stands for the dot) in `folder`."""
    paths = []
    for name, data in contents.items():
        paths.append(folder / name.replace("__", "."))
        paths[-1].write_bytes(data)
    return paths


def test_embed_prints_a_json_line_per_file(tmp_path, weights):
    """Every modality that an ending tells; broken files are named on stderr, the others go on; code 1."""
    paths = write(
        tmp_path,
        a__txt=b"a dog barking",
        b__jpg=files.jpeg(),
        broken__png=files.png()[:60],
        c__wav=files.wav(),
        d__mp4=files.mp4(),
        e__csv=files.imu_csv(time=False),
        open__npy=files.depth_npy(),
    )
    paths.append(tmp_path / "absent.png")
    done = sensorium("embed", "--model", "imagebind-nano", "--weights", weights, "--sample-rate", 50, *paths)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(line["file"], line["modality"]) for line in lines] == [
        (str(tmp_path / "a.txt"), "text"),
        (str(tmp_path / "b.jpg"), "image"),
        (str(tmp_path / "c.wav"), "audio"),
        (str(tmp_path / "d.mp4"), "video"),
        (str(tmp_path / "e.csv"), "imu"),
    ]
    assert all(set(line) == {"file", "modality", "embedding"} for line in lines)
    embedder = models.load("imagebind-nano", weights=weights, modalities=["image"])
    expected = embedder.embed("image", [decode("image", files.jpeg())])[0]
    assert np.abs(np.array(lines[1]["embedding"]) - expected).max() <= 1e-6
    assert done.exit_code == 1
    assert "broken.png: " in done.stderr
    assert "truncated" in done.stderr
    assert "open.npy: " in done.stderr
    assert "--modality" in done.stderr
    assert f"there is no file {tmp_path / 'absent.png'}" in done.stderr


def test_embed_takes_the_modality_and_its_parameters(tmp_path, weights):
    """Depth in metres with its camera, thermal with its temperatures: exit code 0."""
    [depth] = write(tmp_path, depth__npy=files.depth_npy())
    chosen = ("--model", "imagebind-nano", "--weights", weights)
    done = sensorium("embed", *chosen, "--modality", "depth", "--unit", "m", "--fx", 518.9, depth)
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["modality"] == "depth"
    refused = sensorium("embed", *chosen, "--modality", "depth", "--unit", "miles", depth)
    assert refused.exit_code == 1
    assert "relative" in refused.stderr


def test_a_model_or_modality_that_does_not_exist_is_named():
    """Exit code 1 and what is accepted; no traceback."""
    for words, accepted in ((["--model", "no-such"], "imagebind-huge"), (["--modality", "smell"], "thermal")):
        done = sensorium("embed", *words, "x.png")
        assert done.exit_code == 1
        assert accepted in done.stderr
        assert "Traceback" not in done.stderr


def test_models_are_listed():
    """Names with licence, for people and as JSON lines."""
    done = sensorium("models")
    assert done.exit_code == 0
    assert "imagebind-huge" in done.stdout
    assert "NC" in done.stdout
    lines = [json.loads(line) for line in sensorium("models", "--json").stdout.splitlines()]
    assert "sensorium-small" in [line["name"] for line in lines]


def test_convert_makes_weights_that_load_the_same(tmp_path, weights):
    """The converted folder stands in place of the checkpoint; a file that is none is refused."""
    done = sensorium("convert", weights, tmp_path / "converted")
    assert done.exit_code == 0, done.stderr
    [first, second] = [
        models.load("imagebind-nano", weights=path, modalities=["text"])
        for path in (weights, tmp_path / "converted")
    ]
    text = decode("text", b"a dog")
    assert np.abs(first.embed("text", [text]) - second.embed("text", [text])).max() <= 1e-6
    refused = sensorium("convert", tmp_path / "absent.pth", tmp_path / "nowhere")
    assert refused.exit_code == 1
    assert "absent.pth" in refused.stderr
    assert "Traceback" not in refused.stderr


def ready(url, process):
    give_up = time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up and process.poll() is None:
        try:
            if httpx.get(f"{url}/readyz").status_code == 200:
                return True
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    return False


def test_serve_runs_until_it_is_told_to_stop(tmp_path, weights, unused_port):
    """`python -m service` with SENSORIUM_*: ready, answers, writes JSON logs, and SIGTERM ends it with 0."""
    environment = {
        "SENSORIUM_MODEL": "imagebind-nano",
        "SENSORIUM_WEIGHTS": str(weights),
        "SENSORIUM_MODALITIES": "text,imu",
        "SENSORIUM_DATA_DIR": str(tmp_path / "data"),
        "SENSORIUM_PORT": str(unused_port),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "service"],
        env={**os.environ, **environment},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        url = f"http://127.0.0.1:{unused_port}"
        assert ready(url, process)
        assert httpx.get(f"{url}/readyz").json()["modalities"] == ["text", "imu"]
        identifier = {"x-request-id": "find-me"}
        assert httpx.post(f"{url}/v1/embeddings", json={"input": "a"}, headers=identifier).status_code == 200
        refused = httpx.post(f"{url}/v1/embeddings", json={"input": {"image": "AAAA"}})
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "unknown_modality")
    finally:
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, log
    lines = [json.loads(line) for line in log.splitlines()]
    [answered] = [line for line in lines if line["request_id"] == "find-me"]
    assert (answered["path"], answered["status"]) == ("/v1/embeddings", 200)


def served_to_the_end(*words):
    """`sensorium serve` on any port, finished by itself."""
    program = [sys.executable, "-c", "from service.cli import main; main()", "serve", "--port", "0", *words]
    return subprocess.run(program, capture_output=True, text=True, check=False, timeout=PATIENCE_S)


def test_serve_ends_with_1_where_the_model_cannot_be_loaded(tmp_path):
    """The reason stands on stderr."""
    done = served_to_the_end("--model", "no-such", "--data-dir", tmp_path / "data")
    assert done.returncode == 1
    assert "no-such" in done.stderr
    assert "Traceback" not in done.stderr


def test_serve_ends_with_1_where_the_data_folder_cannot_be_used(tmp_path):
    """A file in its place is named together with the setting, without a traceback."""
    [file] = write(tmp_path, data__txt=b"not a folder")
    done = served_to_the_end("--data-dir", file)
    assert done.returncode == 1
    assert str(file) in done.stderr
    assert "SENSORIUM_DATA_DIR" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_setting_that_cannot_be_is_named():
    """Exit code 2 with the option's and the variable's name."""
    done = sensorium("serve", SENSORIUM_PORT="many")
    assert done.exit_code == 2
    assert "SENSORIUM_PORT" in done.stderr
    assert "--port" in done.stderr
