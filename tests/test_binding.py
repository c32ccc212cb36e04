"""Binding a sense: manifests and their faults, kinds of files, groups, figures, resuming, refusals."""

import dataclasses
import io
import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import models
from models.bound.card import CARD, TOWER, expect_name, read_card
from models.errors import BindingError
from service.cli import cli
from tests import media_files as files
from tests.reference_weights import save
from tests.small_embedder import small_embedder
from tests.touches import npy, touch, write_manifest, write_pairs
from training.binding import pairs as pairing
from training.binding.anchors import Anchor
from training.binding.bind import Request, bind, needed_encoders
from training.binding.config import BindConfig
from training.binding.files import Contents, kind_of
from training.binding.manifest import Row, read_manifest
from training.binding.retrieval import by_lot, direction

SENSES = ("text", "image")
QUICK = BindConfig(steps=4, batch=16, check_every=2)
COLOURS = ("red", "green", "blue", "grey")


def silent(_):
    """Nothing is said."""


def rows_of(tmp_path, text, name="pairs.csv"):
    (tmp_path / "a.npy").write_bytes(npy(np.ones(3)))
    path = tmp_path / name
    path.write_text(text)
    return read_manifest(path, SENSES)


def test_every_bad_row_is_named_with_its_line(tmp_path):
    """No file, no anchor, an absent picture, an unknown split, too many cells; the good ones go on."""
    manifest = rows_of(
        tmp_path,
        'file,text,image,split,colour\na.npy,"a stone, grey",,train,x\nb.npy,stone,,,\na.npy,,,,\n'
        "a.npy,,gone.png,,\na.npy,fur,,test,\na.npy,one,two,train,x,y\n,fur,,,\n",
    )
    assert [(row.line, row.anchors, row.split) for row in manifest.rows] == [
        (2, {"text": "a stone, grey"}, "train")
    ]
    reasons = {fault.line: fault.message for fault in manifest.faults}
    assert sorted(reasons) == [3, 4, 5, 6, 7, 8]
    said = (
        "b.npy does not exist",
        "no anchor",
        "gone.png",
        "'test'; accepted are train, val",
        "too many cells",
    )
    assert all(words in reasons[line] for line, words in zip(range(3, 8), said, strict=True))
    assert manifest.ignored == ("colour",)


def test_only_the_encoders_of_the_anchors_are_needed(tmp_path):
    """Films go through the image encoder; an unknown model is left to the one who loads it."""
    rows_of(tmp_path, "file,text,video\na.npy,fur,\na.npy,,a.npy\n")
    assert needed_encoders(tmp_path / "pairs.csv", "imagebind-huge") == ("image", "text")
    assert needed_encoders(tmp_path / "pairs.csv", "no-such") is None


def test_json_lines_say_the_same(tmp_path):
    """Objects in place of cells; what is no object, no JSON or no string is named with its line."""
    text = '{"file": "a.npy", "text": "fur", "label": "soft"}\n\n[1]\n{"file"\n{"file": "a.npy", "text": 5}\n'
    manifest = rows_of(tmp_path, text, "pairs.jsonl")
    assert [(row.line, row.label) for row in manifest.rows] == [(1, "soft")]
    assert [fault.line for fault in manifest.faults] == [3, 4, 5]


@pytest.mark.parametrize("text", ["", "path,text\na.npy,x\n", "file,caption\na.npy,x\n"])
def test_a_manifest_without_its_columns_is_refused(tmp_path, text):
    """Empty, without `file`, without an anchor."""
    with pytest.raises(BindingError, match=r"no rows|wanted are `file` and one or more"):
        rows_of(tmp_path, text)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (npy(np.ones(512)), "vector"),
        (npy(np.ones((1, 512))), "vector"),
        (npy(np.ones((100, 3))), "series"),
        (npy(np.ones((64, 80))), "map"),
        (npy(np.ones((32, 32, 2))), "map"),
        (b"a,b\n1,2\n", "series"),
        (files.depth_png(), "map"),
        (files.jpeg(), "image"),
        (files.wav(0.1), "audio"),
        (npy(np.ones((2, 2, 2, 2))), None),
    ],
)
def test_the_shape_of_a_file_says_its_kind(data, kind):
    """By format and axes."""
    assert kind_of(data) == kind


def made_pairs(rows, digests=None, holdout=0.2):
    """Pairs of (file, text, label, split) rows."""
    listed = [Row(i, Path(name), {"text": text}, *more) for i, (name, text, *more) in enumerate(rows)]
    sample = models.TextSample("")
    contents = {
        row.file: Contents((digests or {}).get(row.file.name, row.file.name), sample) for row in listed
    }
    of_line = {row.line: [Anchor("text", row.anchors["text"])] for row in listed}
    return pairing.make_pairs(listed, contents, of_line, holdout, 0)


def test_what_shares_a_text_a_label_or_a_file_is_one_group():
    """Texts of one label, captions of one file and files of one text are no negatives of each other."""
    rows = [
        ("f0", "rough", "stone"),
        ("f1", "hard", "stone"),
        ("f2", "hard"),
        ("f3", "soft"),
        ("f3", "furry"),
    ]
    rows += [(f"g{i}", f"other {i % 2}") for i in range(12)]
    made = made_pairs(rows)
    group = {item.digest: item.group for item in made.items}
    assert group["f0"] == group["f1"] == group["f2"]
    assert len({group["f0"], group["f3"], group["g0"], group["g1"]}) == 4
    anchors = {
        anchor.content: number for anchor, number in zip(made.anchors, made.anchor_groups, strict=True)
    }
    assert anchors["soft"] == anchors["furry"] == group["f3"]
    assert len(made.items[3].anchors) == 2


def test_many_small_groups_are_held_out_as_wholes():
    """No group, so no caption, stands on both sides; the same seed holds out the same."""
    rows = [(f"f{i}", f"caption {i // 2}") for i in range(80)]
    made = made_pairs(rows)
    sides = [{made.items[i].group for i in side} for side in (made.train, made.val)]
    assert not sides[0] & sides[1]
    assert len(sides[1]) == 8
    assert "whole groups" in made.held_out
    assert made_pairs(rows).val == made.val


def test_of_few_large_groups_each_is_held_out_in_part():
    """Every class is trained with and measured; files of the same bytes are one."""
    rows = [(f"f{i}", f"class {i % 4}") for i in range(60)]
    made = made_pairs([*rows, ("copy", "class 0")], {"copy": "f0"})
    assert len(made.items) == 60
    assert {made.items[i].group for i in made.val} == {made.items[i].group for i in made.train}
    assert len(made.val) == 12


def test_a_manifest_may_split_itself():
    """`val` rows are held out, nothing else."""
    made = made_pairs([(f"f{i}", f"class {i % 3}", "", "val" if i >= 20 else "") for i in range(24)])
    assert [made.items[i].digest for i in made.val] == ["f20", "f21", "f22", "f23"]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([(f"f{i}", f"text {i}") for i in range(5)], "too few files remain"),
        ([(f"f{i}", "the same") for i in range(30)], "all files belong to one group"),
    ],
)
def test_too_little_to_learn_from_is_refused(rows, said):
    """Few files, or nothing to tell apart."""
    with pytest.raises(BindingError, match=said):
        made_pairs(rows)


@pytest.mark.parametrize(("matches", "candidates", "k"), [(1, 8, 1), (3, 9, 4), (2, 5, 5), (4, 6, 3)])
def test_chance_is_that_of_all_draws(matches, candidates, k):
    """Counted over every way to draw k of the candidates."""
    draws = list(itertools.combinations(range(candidates), k))
    counted = np.mean([min(draw) < matches for draw in draws])
    assert by_lot(matches, candidates, k) == pytest.approx(counted)


def test_recall_counts_the_first_match():
    """Ranks 1, 2 and 11 of a first match: R@1 a third, R@10 two thirds; who has no match is left out."""
    cosines = torch.linspace(1, 0, 12).repeat(4, 1)
    matches = torch.zeros(4, 12, dtype=torch.bool)
    matches[0, 0] = matches[1, 1] = matches[1, 5] = matches[2, 10] = True
    found = direction(cosines, matches)
    assert (found.recall[1], found.recall[10]) == (pytest.approx(1 / 3), pytest.approx(2 / 3))
    assert found.mrr == pytest.approx((1 + 1 / 2 + 1 / 11) / 3)
    assert (found.queries, found.candidates) == (3, 12)


def test_a_stopped_run_ends_as_one_that_was_not(tmp_path):
    """Stopped at its second check it goes on from the first: the same weights, so the same identity."""
    manifest, embedder = write_pairs(tmp_path / "pairs", each=4), small_embedder()
    config = dataclasses.replace(QUICK, steps=6)
    whole = bind(embedder, Request(manifest, "touch", tmp_path / "whole"), config, silent)

    def stop(line):
        if line.startswith("step 4"):
            raise KeyboardInterrupt

    request = Request(manifest, "touch", tmp_path / "stopped")
    with pytest.raises(KeyboardInterrupt):
        bind(embedder, request, config, stop)
    said = []
    resumed = bind(embedder, request, config, said.append)
    assert "going on after step 2" in said
    assert resumed.identity == whole.identity
    other = bind(
        embedder, Request(manifest, "touch", tmp_path / "o"), dataclasses.replace(config, seed=1), silent
    )
    assert other.identity != whole.identity
    with pytest.raises(BindingError, match="--overwrite"):
        bind(embedder, request, config, silent)


def vector(colour, number):
    random = np.random.default_rng([COLOURS.index(colour), number])
    return npy(np.eye(4)[COLOURS.index(colour)].repeat(4) + random.normal(0, 0.1, 16))


def series_csv(colour, number):
    values = touch("a cat", number) + COLOURS.index(colour)
    lines = [f"{i * 0.01},{a},{b},{c}" for i, (a, b, c) in enumerate(values)]
    return "\n".join(["time (s),left,middle,right", *lines]).encode()


def map_16_bit(colour, number):
    random = np.random.default_rng([COLOURS.index(colour), number])
    values = random.integers(0, 9_000, (24, 30)) + 10_000 * COLOURS.index(colour)
    buffer = io.BytesIO()
    Image.fromarray(values.astype(np.uint16)).save(buffer, "PNG")
    return buffer.getvalue()


def sound(colour, number):
    return files.wav(0.3, hz=200.0 * (1 + COLOURS.index(colour)) + number)


KINDS = {
    "vector": (vector, ".npy", (16, ())),
    "series": (series_csv, ".csv", (3, (32,))),
    "map": (map_16_bit, ".png", (1, (24, 30))),
    "audio": (sound, ".wav", (1, (128, 100))),
}


@pytest.fixture(scope="module")
def nano(tmp_path_factory):
    """Weights of the reduced ImageBind, and the model."""
    weights = save("nano", tmp_path_factory.mktemp("nano") / "nano.pth")
    return weights, models.load("imagebind-nano", weights=weights, modalities=["text"])


@pytest.mark.parametrize("kind", KINDS)
def test_any_kind_of_file_is_bound_to_any_model(tmp_path, nano, kind):
    """Onto ImageBind's reduced form: features, CSV, 16-bit pictures, and sounds under a new name."""
    make, suffix, (channels, size) = KINDS[kind]
    rows = [(f"{c}{n}{suffix}", c) for c in COLOURS for n in range(5)]
    for name, colour in rows:
        (tmp_path / name).write_bytes(make(colour, int(name.removeprefix(colour)[0])))
    manifest = write_manifest(tmp_path / "pairs.csv", rows)
    weights, embedder = nano
    card = bind(embedder, Request(manifest, "hue", tmp_path / "hue"), QUICK, silent)
    assert (card.form.kind, card.form.channels, card.form.size) == (kind, channels, size)
    loaded = models.load("imagebind-nano", weights=weights, modalities=["text"], bound=[tmp_path / "hue"])
    assert loaded.modalities == ("text", "hue")
    assert loaded.identity == embedder.identity
    data = make("red", 9)
    both = loaded.embed("hue", [loaded.decode("hue", data), loaded.senses["hue"].sample()])
    assert both.shape == (2, loaded.dim)
    assert np.allclose(np.linalg.norm(both, axis=1), 1, atol=1e-5)
    assert np.abs(loaded.embed("hue", [loaded.decode("hue", data)])[0] - both[0]).max() < 1e-6


def test_pictures_can_be_anchors_of_an_open_clip_model(tmp_path):
    """Image anchors and a sentence, random weights; an unreadable anchor is a fault of its line."""
    colours = {"red": (200, 0, 0), "blue": (0, 0, 200)}
    rows = []
    for colour, pixel in colours.items():
        picture = np.full((8, 8, 3), pixel, np.uint8)
        (tmp_path / f"{colour}.png").write_bytes(files.picture_bytes(picture))
        for number in range(8):
            (tmp_path / f"{colour}{number}.npy").write_bytes(vector(colour, number))
            rows.append((f"{colour}{number}.npy", f"{colour}.png", colour if number == 0 else ""))
    (tmp_path / "broken.png").write_bytes(b"no picture")
    manifest = write_manifest(
        tmp_path / "pairs.csv", [*rows, ("red0.npy", "broken.png", "")], ("file", "image", "text")
    )
    embedder = models.load("open_clip:ViT-S-32/none")
    said = []
    card = bind(embedder, Request(manifest, "hue", tmp_path / "hue"), QUICK, said.append)
    assert (card.net.kind, card.to, card.data["rows not used"]) == ("linear", embedder.name, 1)
    assert any(line.startswith("line 18: the image") for line in said)
    assert "image" in card.figures


@pytest.fixture(scope="module")
def hue(tmp_path_factory, nano):
    """A finished folder."""
    folder = tmp_path_factory.mktemp("hue")
    rows = [(f"{c}{n}.npy", c) for c in COLOURS for n in range(5)]
    for name, colour in rows:
        (folder / name).write_bytes(vector(colour, int(name.removeprefix(colour)[0])))
    bind(nano[1], Request(write_manifest(folder / "p.csv", rows), "hue", folder / "hue"), QUICK, silent)
    return folder / "hue"


def test_the_folder_holds_no_pickle(hue):
    """Card, weights, report, curve; the weights are safetensors, the checkpoint is gone."""
    names = {path.name for path in hue.iterdir()}
    assert names == {CARD, TOWER, "report.md", "curve.svg", "work"}
    assert [path.name for path in (hue / "work").iterdir()] == ["anchors.safetensors"]
    assert "hue to text" in (hue / "report.md").read_text()


def damaged(folder, name, change):
    path = folder / name
    path.write_bytes(change(path.read_bytes()))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        (TOWER, lambda data: data[:-1] + bytes([data[-1] ^ 1])),
        (TOWER, lambda data: data[:-8]),
        (CARD, lambda data: data.replace(b'"channels": 16', b'"channels": 17')),
        (CARD, lambda data: data.replace(b"sensorium-bound-1", b"sensorium-bound-9")),
        (CARD, lambda data: data.replace(b'"kind": "linear"', b'"kind": "magic"')),
        (CARD, lambda data: data[: len(data) // 2]),
    ],
)
def test_a_damaged_folder_is_refused(hue, tmp_path, name, change):
    """A flipped bit, a cut file, a changed number, an unknown format: by name, before anything is loaded."""
    shutil.copytree(hue, tmp_path / "hue")
    damaged(tmp_path / "hue", name, change)
    with pytest.raises(BindingError, match=r"damaged"):
        models.load("sensorium-small", bound=[tmp_path / "hue"])


def test_folders_that_do_not_belong_are_refused(hue, tmp_path):
    """Of another model, twice the same name, none at all."""
    with pytest.raises(BindingError, match="was bound to imagebind-nano with identity"):
        models.load("sensorium-small", modalities=["text"], bound=[hue])
    shutil.copytree(hue, tmp_path / "twin")
    with pytest.raises(BindingError, match="both named 'hue'"):
        models.load("sensorium-small", bound=[hue, tmp_path / "twin"])
    with pytest.raises(BindingError, match=r"modality\.json is missing"):
        models.load("sensorium-small", bound=[tmp_path])


@pytest.mark.parametrize("name", ["audio", "video", "vector", "weight", "Touch", "a b", "", "9"])
def test_names_that_mean_something_else_are_refused(name):
    """Modalities, words of the API, and what no address or field can carry."""
    with pytest.raises(BindingError, match=r"taken|cannot name"):
        expect_name(name)


def test_a_card_reads_back_what_was_written(hue):
    """The identity stands on what moves vectors: other statistics, another identity."""
    card = read_card(hue)
    assert card.identity == json.loads((hue / CARD).read_text())["identity"]
    moved = dataclasses.replace(card, scale=dataclasses.replace(card.scale, mean=(0.5,) * 16))
    assert moved.identity != card.identity
    assert dataclasses.replace(card, temperature=1.0).identity == card.identity


def test_the_command_says_what_is_wrong(tmp_path):
    """Exit code 1 and a sentence, before a model is loaded where that can be told."""
    for words, said in (
        (["--modality", "audio"], "taken"),
        (["--modality", "touch", "--to", "no-such"], "no-such"),
        (["--modality", "touch", "--out", str(tmp_path / "out")], "gone.csv could not be read"),
    ):
        done = CliRunner().invoke(cli, ["bind", str(tmp_path / "gone.csv"), *words])
        assert done.exit_code == 1
        assert said in done.stderr
        assert "Traceback" not in done.stderr
