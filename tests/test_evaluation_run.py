"""`sensorium evaluate` as its users run it, with a real model on small real files."""

import csv
import json
import math
import zipfile

import numpy as np
import pytest
from typer.testing import CliRunner

import models
from evaluation import datasets
from evaluation.figure import Figure
from evaluation.plots import charts
from evaluation.prompts import PROMPTS
from evaluation.published import PUBLISHED, beside
from evaluation.run import Request, evaluate
from evaluation.variants import SWEEP, variant_named
from models.errors import SensoriumError
from models.samples import DepthSample, TextSample, ThermalSample
from service.cli import cli
from tests import media_files as files
from tests.reference_weights import save

SOUNDS = {"high": 3000.0, "low": 200.0}


def sensorium(*words):
    return CliRunner().invoke(cli, list(map(str, words)), env={"COLUMNS": "160"})


@pytest.fixture(scope="module")
def esc50(tmp_path_factory):
    """Six tones under two names, one of them broken, one missing."""
    root = tmp_path_factory.mktemp("esc50")
    (root / "meta").mkdir()
    (root / "audio").mkdir()
    rows = [(f"{fold}-{name}.wav", fold, name) for fold in (1, 2, 3) for name in SOUNDS]
    with (root / "meta/esc50.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("filename", "fold", "category"), *rows])
    for filename, fold, name in rows[:-1]:
        (root / "audio" / filename).write_bytes(files.wav(0.5, SOUNDS[name] * (1 + fold / 10)))
    (root / "audio/3-high.wav").write_bytes(files.noise())
    return root


@pytest.fixture(scope="module")
def nano(tmp_path_factory):
    """A checkpoint of the reduced ImageBind."""
    return save("nano", tmp_path_factory.mktemp("weights") / "nano.pth")


def test_the_command_writes_table_json_and_charts(esc50, tmp_path):
    """Figures with n, interval and chance; what could not be used is named; the files hold the same."""
    done = sensorium(
        "evaluate", "sensorium-small", "--dataset", "esc-50", "--root", esc50, "--prompts", "bare",
        "--json", tmp_path / "out/figures.json", "--plots", tmp_path / "charts",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert "top-1" in done.stdout
    assert "1 of 6 clips are missing, for example 3-low.wav" in done.stderr
    assert "1 items could not be used" in done.stderr
    assert "3-high.wav" in done.stderr
    document = json.loads((tmp_path / "out/figures.json").read_text())
    assert document["model"] == "sensorium-small"
    assert document["identity"]
    top1 = next(figure for figure in document["figures"] if figure["measure"] == "top-1")
    assert (top1["n"], top1["chance"], top1["prompts"]) == (4, 0.5, "bare")
    assert top1["low"] <= top1["value"] <= top1["high"]
    assert top1["seconds"] > 0
    assert top1["published"] is None
    assert f"{top1['value']:.3f}" in done.stdout
    assert (tmp_path / "charts/top-1.svg").read_text().startswith("<svg")


def test_the_figures_are_those_of_the_models_vectors(esc50):
    """Top-1 computed from the model's own answers, one clip at a time, is what the evaluation reports."""
    embedder = models.load("sensorium-small", modalities=["text", "audio"])
    rows = ["1-high.wav", "1-low.wav", "2-high.wav", "2-low.wav"]
    names = embedder.embed("text", [TextSample(name) for name in SOUNDS])
    right, cosines = [], []
    for row in rows:
        [z] = embedder.embed("audio", [models.decode("audio", (esc50 / "audio" / row).read_bytes())])
        label = row.split("-")[1].removesuffix(".wav")
        right.append(list(SOUNDS)[int(np.argmax(names @ z))] == label)
        cosines.append(names[list(SOUNDS).index(label)] @ z)
    report = evaluate(Request("sensorium-small", [("esc-50", esc50)], prompts=["bare"]))
    found = {figure.measure: figure.value for figure in report.figures}
    assert found["top-1"] == pytest.approx(np.mean(right))
    assert found["matched cosine audio, text"] == pytest.approx(np.mean(cosines), abs=1e-5)


def test_limits_spread_over_the_set(esc50):
    """Two items of six, from both ends."""
    report = evaluate(Request("sensorium-small", [("esc-50", esc50)], prompts=["bare"], limit=2))
    assert next(figure for figure in report.figures if figure.measure == "top-1").n == 1  # the last is broken


def test_kept_vectors_give_the_same_figures_and_know_changed_files(esc50, tmp_path):
    """A second run reads what the first wrote, faults included; a changed file is embedded again."""
    request = Request("sensorium-small", [("esc-50", esc50)], prompts=["bare"], cache=tmp_path)

    def values(report):
        return [(figure.measure, figure.value) for figure in report.figures]

    first = evaluate(request)
    kept = sorted(tmp_path.iterdir())
    second = evaluate(request)
    assert values(first) == values(second)
    assert first.notes == second.notes
    assert sorted(tmp_path.iterdir()) == kept
    path = esc50 / "audio/1-low.wav"
    before = path.read_bytes()
    path.write_bytes(files.wav(0.25, 5000.0))
    changed = evaluate(request)
    path.write_bytes(before)
    assert values(changed) != values(first)
    assert len(list(tmp_path.iterdir())) == len(kept) + 1


def test_a_set_of_which_nothing_can_be_used_is_a_failure(tmp_path):
    """No figure, the reason, and an exit code."""
    (tmp_path / "val/dog").mkdir(parents=True)
    (tmp_path / "val/dog/a.png").write_bytes(files.noise())
    done = sensorium("evaluate", "sensorium-small", "--dataset", "imagenet", "--root", tmp_path)
    assert done.exit_code == 1
    assert "1 items could not be used" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "known are"),
        (["--dataset", "esc"], "esc-50"),
        (["--dataset", "esc-50", "--prompts", "poems"], "clip-80"),
        (["--dataset", "esc-50", "--variant", "upside-down"], "metres"),
        (["--dataset", "esc-50", "--variant", "unstandardised"], "ImageBind's own"),
        (["--dataset", "esc-50", "--sweep"], "nothing to sweep"),
        (["--dataset", "esc-50", "--limit", "1"], "2 items and more"),
        (
            ["--dataset", "esc-50", "--dataset", "clotho", "--root", "a", "--root", "b", "--root", "c"],
            "--root",
        ),
        (["--dataset", "esc-50", "--sweep", "--variant", "metres"], "leave --variant out"),
        (["--dataset", "llvip"], "lacks infrared/test"),
    ],
)
def test_what_is_wrong_is_said_with_what_is_accepted(esc50, words, said):
    """A message on stderr, an exit code, no traceback."""
    root = [] if "--root" in words else ["--root", esc50]
    done = sensorium("evaluate", "sensorium-small", *words, *root)
    assert done.exit_code != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_model_without_the_sense_says_what_it_has(esc50):
    """Neither an unknown model nor one without an encoder for sounds gets as far as loading."""
    with pytest.raises(SensoriumError, match=r"esc-50 needs audio and text; open_clip:.* has text, image"):
        evaluate(Request("open_clip:ViT-B-32/none", [("esc-50", esc50)]))
    with pytest.raises(SensoriumError, match="there is no model"):
        evaluate(Request("no-such", [("esc-50", esc50)]))


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """A tiny index of every sense: two classes each, pairs, captions and one shared concept."""
    root = tmp_path_factory.mktemp("index")
    header = ("modality", "archive", "file", "split", "label", "concept", "pair_id", "caption")
    rows = []
    for archive, modality, suffix, make in (
        ("pictures.zip", "image", "png", files.png),
        ("sounds.zip", "audio", "wav", files.wav),
        ("warm.zip", "thermal", "png", files.thermal8_png),
    ):
        with zipfile.ZipFile(root / archive, "w") as pack:
            for number, label in enumerate(("dog", "cat", "dog")):
                pack.writestr(f"{number}.{suffix}", make(*((0.3 + number / 10,) if suffix == "wav" else ())))
                rows.append((modality, archive, f"{number}.{suffix}", "val", label, label, "", ""))
    (root / "thermal").mkdir()
    with zipfile.ZipFile(root / "thermal/roadscene.zip", "w") as pack:
        for number in range(3):
            for modality, make in (("thermal", files.thermal8_png), ("image", files.png)):
                pack.writestr(f"{modality}{number}.png", make(64 + number, 48))
                pair = (modality, "thermal/roadscene.zip", f"{modality}{number}.png", "val", "road", "road")
                rows.append((*pair, f"pair-{number}", ""))
    (root / "images").mkdir()
    with zipfile.ZipFile(root / "images/flickr1k.zip", "w") as pack:
        for number in range(3):
            pack.writestr(f"{number}.jpg", files.jpeg(64, 48 + number))
            photograph = ("image", "images/flickr1k.zip", f"{number}.jpg", "val", "", "", f"p{number}", "")
            said = [("text", "-", "0", "val", "", "", f"p{number}", f"sentence {number} {n}") for n in "ab"]
            rows += [photograph, *said]
    values = (files.imu_values(100) / 9.80665 * 1000).astype(np.int16)
    scale = np.full(6, 0.001, np.float32)
    np.savez(root / "moves.npz", x=np.stack([values, values // 2]), scale=scale, rate_hz=50)
    rows += [("imu", "moves.npz", str(n), "val", name, name, "", "") for n, name in enumerate(("run", "sit"))]
    with (root / "index.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return root


def test_the_index_gives_every_kind_of_task(index):
    """Naming per archive, pairs, captions both ways, and searches by concept, emergent ones marked."""
    report = evaluate(Request("sensorium-small", [("sensorium", index)]))
    found = {(figure.task, figure.measure): figure for figure in report.figures}
    for archive in ("pictures", "sounds", "warm", "moves"):
        assert (archive, "top-1") in found
    assert {prompts.prompts for prompts in report.figures if prompts.measure == "top-1"} == {
        "sentences",
        "bare",
    }
    assert found["RoadScene", "thermal -> image R@1"].n == 3
    assert found["Flickr", "text -> image R@1"].n == 6
    assert found["Flickr", "image -> text R@5"].chance == pytest.approx(1.0)
    searches = {measure: figure for (_, measure), figure in found.items() if measure.endswith(" mAP")}
    assert searches["audio -> thermal mAP"].emergent
    assert not searches["audio -> image mAP"].emergent
    assert all(math.isfinite(figure.value) for figure in report.figures)


def test_a_model_of_two_senses_is_asked_what_it_can(index):
    """Image tasks are measured, the others named as left out."""
    report = evaluate(Request("open_clip:ViT-S-32/none", [("sensorium", index)], limit=2, prompts=["bare"]))
    assert {figure.task for figure in report.figures} == {"pictures", "Flickr"}
    assert any("left out: sounds, warm, moves, RoadScene" in note for note in report.notes)


def test_an_index_that_names_a_missing_pack_says_which(index, tmp_path):
    """So does an unknown split."""
    (tmp_path / "index.csv").write_bytes((index / "index.csv").read_bytes())
    with pytest.raises(SensoriumError, match=r"lacks images/flickr1k\.zip"):
        datasets.load("sensorium", tmp_path, None)
    with pytest.raises(SensoriumError, match="no items of the split 'test'"):
        datasets.load("sensorium", tmp_path, "test")


def test_a_sweep_measures_every_variant_beside_the_published_figure(nano, tmp_path):
    """One row per variant of thermal, all from one loaded model."""
    (tmp_path / "infrared/test").mkdir(parents=True)
    (tmp_path / "Annotations").mkdir()
    slope = files.gradient()[..., :2].mean(-1).astype(np.uint8)  # warmer to the right and downwards
    for number in range(2):
        (tmp_path / f"infrared/test/{number}.png").write_bytes(files.picture_bytes(slope))
        box = "<bndbox><xmin>4</xmin><ymin>4</ymin><xmax>14</xmax><ymax>34</ymax></bndbox>"
        size = "<size><width>64</width><height>48</height></size>"
        (tmp_path / f"Annotations/{number}.xml").write_text(f"<a>{size}<object>{box}</object></a>")
    request = Request("imagebind-nano", [("llvip", tmp_path)], nano, prompts=["bare"], variants=None)
    report = evaluate(request)
    swept = [figure.variant for figure in report.figures if figure.measure == "top-1"]
    assert swept == [text or "plain" for text in SWEEP["thermal"]]
    cosines = {figure.variant: figure.value for figure in report.figures if "matched" in figure.measure}
    for other in ("centred", "inverted", "squash", "pad+inverted"):
        assert abs(cosines[other] - cosines["plain"]) > 1e-6


def test_the_published_figure_stands_beside_its_own_model_only():
    """Known data sets, shares between 0 and 1, and nothing for another model."""
    figure = Figure("ESC-50", "top-1", 0.6, 2000, dataset="esc-50")
    assert beside(figure, "imagebind-huge").published == 0.669
    assert beside(figure, "sensorium-small").published is None
    assert {name for name, _ in PUBLISHED} <= set(datasets.DATASETS)
    assert all(0 < value < 1 for value in PUBLISHED.values())


def test_variants_of_depth_change_what_they_say():
    """True metres, a cap, holes filled, one camera, a squeezed square."""
    metres = np.array([[0, 2, 4, 16]] * 3, np.float32)
    sample = DepthSample(metres, fx=600.0, baseline=0.1)

    def through(text):
        return variant_named(text, "imagebind-huge").on_sample("depth", sample)

    assert through("metres").metres[0].tolist() == [0, 0.25, 0.5, 2]
    assert through("capped").metres[0].tolist() == [0, 2, 4, 8]
    assert through("filled").metres[0].tolist() == [4, 2, 4, 16]
    assert through("kinect").fx is None
    assert through("squash-depth").metres.shape == (3, 3)
    assert through("metres+filled").metres[0].tolist() == [0.5, 0.25, 0.5, 2]
    assert through("inverted") is sample


def test_variants_of_thermal_change_what_they_say():
    """Inverted, stretched, equalised, squeezed and padded values stay within [0, 1]."""
    values = np.linspace(0.2, 0.4, 50, dtype=np.float32).reshape(10, 5)
    sample = ThermalSample(values)

    def through(text):
        return variant_named(text, "imagebind-huge").on_sample("thermal", sample).values

    assert through("inverted")[0, 0] == pytest.approx(0.8)
    assert (through("stretched").min(), through("stretched").max()) == pytest.approx((0, 1))
    assert through("equalised").max() > 0.95
    assert np.all(np.diff(through("equalised").ravel()) >= 0)
    assert through("squash").shape == (5, 5)
    padded = through("pad")
    assert padded.shape == (10, 10)
    assert np.array_equal(padded[:, 2:7], values)


def test_prompts_say_the_name_in_the_words_of_the_sense():
    """CLIP's eighty and seven; no photo where there is none; every set holds the name."""
    assert len(PROMPTS["clip-80"]("image", "dog")) == 80
    assert len(PROMPTS["clip-7"]("image", "dog")) == 7
    assert PROMPTS["bare"]("image", "dog") == ["dog"]
    assert "a photo of a dog." in PROMPTS["imagebind"]("image", "dog")
    said = PROMPTS["imagebind"]("audio", "dog")
    assert "a sound of a dog." in said
    assert not any("photo" in sentence for sentence in said)
    for modality in ("image", "audio", "depth", "thermal", "imu"):
        assert all("dog" in one for name in PROMPTS for one in PROMPTS[name](modality, "dog"))


def test_charts_show_each_kind_of_measure():
    """Bars of top-1, recall and mAP, points of gaps; nothing is drawn of nothing."""
    figures = [
        Figure("a", "top-1", 0.5, 10, 0.4, 0.6, prompts="bare"),
        Figure("a", "top-1", 0.7, 10, 0.4, 0.8, prompts="short"),
        Figure("b", "text -> audio R@1", 0.2, 10, 0.1, 0.3),
        Figure("b", "gap audio, text", 0.8, 10),
        Figure("b", "matched cosine audio, text", 0.3, 10, 0.2, 0.4),
    ]
    drawn = charts(figures)
    assert set(drawn) == {"top-1.svg", "recall.svg", "gap.svg"}
    assert "0.5" in drawn["top-1.svg"]
    assert "0.7" not in drawn["top-1.svg"]
    assert charts([]) == {}
