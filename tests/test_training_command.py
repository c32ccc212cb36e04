"""`sensorium train` from a folder of data to weights with a report, stopped and resumed on the way."""

import json
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import models
from models import ImuSample, TextSample
from models.small.assemble import WEIGHTS
from service.cli import cli
from tests import training_data
from training.config import HeadConfig

SHORT = {
    "image": {"steps": 2, "batch": 8, "check_every": 2},
    "head": {"steps": 2, "batch": 16},
    "audio": {"steps": 2, "batch": 4},
    "imu": {"steps": 6, "batch": 8, "check_every": 2},
    "thermal": {"steps": 2, "batch": 4},
    "depth": {"steps": 2, "batch": 4},
}
if "scenes" in HeadConfig.__dataclass_fields__:
    SHORT["head"] |= {"scenes": 6, "scenes_batch": 4}
SET = [f"--set={stage}.{name}={value}" for stage, own in SHORT.items() for name, value in own.items()]
KILLED_AT = 3  # step of the IMU tower, between the checkpoints after 2 and 4
KILL = f"""
import os, signal, sys
from training import align
learn = align.learn
def deadly(model, optimizer, task, config, step):
    if step == {KILLED_AT}:
        os.kill(os.getpid(), signal.SIGKILL)
    return learn(model, optimizer, task, config, step)
align.learn = deadly
from service.cli import main
main()
"""


@pytest.fixture(scope="module", autouse=True)
def _threads():
    """The command sets the number of threads for itself."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return training_data.make(tmp_path_factory.mktemp("data"))


def words(data, out, *more):
    return ["train", *more, "--data", str(data), "--out", str(out), "--text-from", str(WEIGHTS), *SET]


def sensorium(*arguments):
    return CliRunner().invoke(cli, list(arguments))


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """The folder of an uninterrupted run of all towers, and what was said."""
    out = tmp_path_factory.mktemp("trained")
    done = sensorium(*words(data, out, "all", "--no-evaluate"))
    assert done.exit_code == 0, done.output
    return out, done.output


def test_all_towers_become_one_file(trained):
    """The exported weights load like the shipped ones and have all six senses."""
    out, _ = trained
    weights = out / "sensorium-small.safetensors"
    small = models.load("sensorium-small", weights=weights)
    shipped = models.load("sensorium-small", modalities=["text"])
    assert set(small.modalities) == {"text", "image", "audio", "thermal", "depth", "imu"}
    text = [TextSample("a dog barking")]
    assert np.abs(small.embed("text", text) - shipped.embed("text", text)).max() <= 1e-6
    walk = ImuSample(training_data.movement(1, 0, 256).astype(np.float32), sample_rate=50.0)
    assert np.linalg.norm(small.embed("imu", [walk])) == pytest.approx(1, abs=1e-5)


def test_the_run_says_its_recipe_and_where_it_stands(trained):
    """Every stage's settings first; figures of every tower; where the files are."""
    _, said = trained
    assert "imu: steps=6, batch=8" in said
    assert "sisfall" in said
    assert "report.md" in said


def test_the_report_lies_beside_the_weights(trained):
    """Page, curves and JSON: stages, figures, licences of the data, recipe, machine."""
    out, _ = trained
    facts = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert [stage["name"] for stage in facts["stages"]] == ["image", "audio", "imu", "thermal", "depth"]
    assert all(stage["step"] == stage["steps"] for stage in facts["stages"])
    assert facts["recipe"]["imu"]["steps"] == 6
    assert facts["machine"]["torch"] == torch.__version__.partition("+")[0]
    page = (out / "report.md").read_text(encoding="utf-8")
    assert "| SisFall | imu | 12 | 6 | free for research |" in page
    assert facts["weights"]["sha256"] in page
    for name in ("imu-loss.svg", "imu-figures.svg"):
        assert f"(report/{name})" in page
        assert (out / "report" / name).read_text(encoding="utf-8").startswith("<svg")


def test_a_killed_run_goes_on_as_if_never_stopped(data, trained, tmp_path):
    """SIGKILL between two checkpoints, the same command again: bit for bit an uninterrupted run."""
    arguments = words(data, tmp_path, "imu")
    killed = subprocess.run([sys.executable, "-c", KILL, *arguments], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert torch.load(tmp_path / "imu.pt", weights_only=True)["step"] == KILLED_AT - 1
    resumed = sensorium(*arguments)
    assert resumed.exit_code == 0, resumed.output
    assert "no export" in resumed.output
    ours, theirs = (torch.load(out / "imu.pt", weights_only=True) for out in (tmp_path, trained[0]))
    assert ours["step"] == theirs["step"] == 6
    assert ours["tower"].keys() == theirs["tower"].keys()
    assert all(torch.equal(ours["tower"][key], value) for key, value in theirs["tower"].items())


def test_a_run_is_not_continued_with_another_recipe(data, trained):
    """Checkpoints of other settings are refused, and both values are named."""
    done = sensorium(*words(data, trained[0], "imu"), "--set", "imu.rate=0.5")
    assert done.exit_code == 1
    assert "imu.rate=0.0015, now 0.5" in done.stderr
    assert "--out" in done.stderr


@pytest.mark.parametrize(
    ("more", "accepted"),
    [
        (["smell"], "text, image, audio"),
        (["imu", "--set", "imu.stepz=3"], "steps, batch, rate"),
        (["imu", "--set", "smell.steps=3"], "text, image, head"),
        (["imu", "--set", "imu.steps=many"], "a whole number"),
        (["imu", "--set", "imu.steps=0"], "from 1 on"),
        (["imu", "--set", "imu.rate=-1"], "from 0 on"),
        (["imu", "--set", "imu.channels_last=maybe"], "true or false"),
        (["imu", "--set", "head.scales=1,2"], "numbers with commas between"),
        (["imu", "--set", "steps"], "STAGE.FIELD=VALUE"),
        (["imu", "--steps-scale", "0"], "above 0"),
        (["imu", "--device", "abacus"], "cpu"),
        (["thermal"], "train image into"),
    ],
)
def test_what_cannot_be_trained_is_named(data, tmp_path, more, accepted):
    """A wrong word ends the command before anything is written, with what is accepted."""
    done = sensorium("train", *more, "--data", str(data), "--out", str(tmp_path / "out"))
    assert done.exit_code != 0
    assert accepted in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_folder_without_an_index_is_refused(tmp_path):
    """The message says which folder is meant by --data."""
    done = sensorium("train", "imu", "--data", str(tmp_path), "--out", str(tmp_path / "out"))
    assert done.exit_code == 1
    assert "index.csv" in done.stderr


def test_a_text_tower_is_taken_from_weights_that_have_one(data, tmp_path):
    """Any other file is refused by name."""
    other = tmp_path / "other.safetensors"
    other.write_bytes(b"none of that")
    arguments = [
        "train",
        "imu",
        "--data",
        str(data),
        "--out",
        str(tmp_path / "out"),
        "--text-from",
        str(other),
    ]
    done = sensorium(*arguments)
    assert done.exit_code == 1
    assert "other.safetensors" in done.stderr
    assert "sensorium-small" in done.stderr
