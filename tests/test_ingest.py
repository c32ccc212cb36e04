"""Folders and manifests into collections: what is stored, what is not, and what a second run does."""

import json
import os
import pickle
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import models
from index import Item, Row, Store
from index.durable import BESIDE
from index.media import MANY
from models.embedder import Tower
from models.media.limits import DEFAULT_LIMITS
from models.modalities import decode
from models.preparer import Preparer
from service.bulk.choosing import Plan
from service.bulk.lanes import Encoder
from service.bulk.pipeline import Ingest
from service.bulk.pool import DecodePool
from service.bulk.report import Report
from service.bulk.sources import Source, Wishes
from tests import media_files as files
from tests.reference_weights import save
from tests.small_embedder import image_views, small_embedder

EMBEDDER = small_embedder()
FACTS = {"model": EMBEDDER.name, "identity": EMBEDDER.identity, "dimension": EMBEDDER.dim}


@pytest.fixture(scope="module")
def pool():
    """One decoding process for the whole module."""
    with DecodePool(Preparer.of(EMBEDDER, DEFAULT_LIMITS), workers=1) as pool:
        yield pool


@pytest.fixture
def collection(tmp_path):
    with Store.open(tmp_path / "data") as store:
        yield store.create("things", **FACTS)[0]


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "media"
    made.mkdir()
    return made


def write(folder, contents):
    for name, data in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else json.dumps(data).encode())


def ingest(pool, collection, source, wishes=None, **plan):
    """The report of one pass."""
    found = Source.of(str(source))
    report = Report()
    Ingest(
        Plan(found.label, found.folder, **plan),
        EMBEDDER,
        Encoder.of(EMBEDDER),
        collection,
        pool,
        report,
        threading.Event(),
        32,
    ).run(found.found(wishes or Wishes(), EMBEDDER.senses))
    return report


def stored(collection):
    return {item.id: item for item in collection.page(1000).items}


def faults(report):
    return {fault.file: fault.message for fault in report.faults}


def vector_of(modality, data, **params):
    return EMBEDDER.embed(modality, [decode(modality, data, **params)])[0]


MIXED = {
    "a.jpg": files.jpeg(),
    "b/c.PNG": files.png(),
    "sounds/d.wav": files.wav(),
    "e.mp4": files.mp4(),
    "walk.csv": files.imu_csv(),
    "room-depth.png": files.depth_png(),
    "thermal/1.png": files.thermal8_png(),
    "maps/one.npy": files.depth_npy(),
    "maps/one.npy.json": {"modality": "depth", "fx": 500, "id": "map-1", "metadata": {"floor": 2}},
    "imu/two.npy": files.npy(files.imu_values()),
    "imu/two.json": {"sample_rate": 50},
    "no_ending": files.jpeg(32, 32),
    "note.txt": b"a dog barking",
    "page.pdf": b"%PDF-1.4",
    ".hidden.jpg": files.jpeg(),
}
MODALITIES = {
    "a.jpg": "image",
    "b/c.PNG": "image",
    "sounds/d.wav": "audio",
    "e.mp4": "video",
    "walk.csv": "imu",
    "room-depth.png": "depth",
    "thermal/1.png": "thermal",
    "map-1": "depth",
    "imu/two.npy": "imu",
    "no_ending": "image",
    "note.txt": "text",
}


def test_a_mixed_folder_becomes_items_of_every_modality(pool, collection, folder):
    """Ids are paths, modalities follow the written rule; vectors, media, metadata are those of the files."""
    write(folder, MIXED)
    report = ingest(pool, collection, folder, Wishes(text=True, metadata={"set": "mixed"}))
    items = stored(collection)
    assert {name: item.modality for name, item in items.items()} == MODALITIES
    assert (report.stored, report.failed, dict(report.passed)) == (
        len(MODALITIES),
        0,
        {".pdf": 1, ".json": 2},
    )
    assert items["b/c.PNG"].metadata["file"] == "b/c.PNG"
    assert (items["map-1"].metadata["floor"], items["map-1"].metadata["set"]) == (2, "mixed")
    assert collection.media("a.jpg") == (MIXED["a.jpg"], "image/jpeg")
    assert collection.media("note.txt")[0] == b"a dog barking"
    for name, expected in {
        "a.jpg": vector_of("image", MIXED["a.jpg"]),
        "e.mp4": vector_of("video", MIXED["e.mp4"]),
        "map-1": vector_of("depth", MIXED["maps/one.npy"], fx=500),
        "imu/two.npy": vector_of("imu", MIXED["imu/two.npy"], sample_rate=50),
        "note.txt": vector_of("text", b"a dog barking"),
    }.items():
        np.testing.assert_allclose(collection.vectors(name)[1][0], expected, atol=1e-6)


def test_a_second_run_stores_only_what_is_new_or_has_changed(pool, collection, folder):
    """Content and sidecars count; an item keeps its time; vanished files are deleted only by prune."""
    write(folder, {f"{n}.png": files.png(20 + n, 20) for n in range(5)})
    assert ingest(pool, collection, folder).stored == 5
    before = stored(collection)
    again = ingest(pool, collection, folder)
    assert (again.stored, again.unchanged) == (0, 5)
    write(
        folder,
        {"0.png": files.png(99, 20), "1.png.json": {"metadata": {"kept": True}}, "new.png": files.png()},
    )
    (folder / "4.png").unlink()
    changed = ingest(pool, collection, folder)
    assert (changed.stored, changed.replaced, changed.unchanged, changed.deleted) == (3, 2, 2, 0)
    items = stored(collection)
    assert items["1.png"].metadata["kept"] is True
    assert items["0.png"].created_at == before["0.png"].created_at
    assert collection.media("0.png")[0] == files.png(99, 20)
    pattern = ingest(pool, collection, folder / "*w.png", prune=True)
    assert (pattern.unchanged, pattern.deleted) == (1, 1)
    assert set(stored(collection)) == {"0.png", "1.png", "2.png", "3.png", "new.png"}


def test_nothing_is_pruned_after_a_pass_that_failed(pool, collection, folder):
    """A file that could not be used is not one that is gone."""
    write(folder, {"a.png": files.png(), "b.png": files.png(32, 32)})
    ingest(pool, collection, folder)
    (folder / "a.png").unlink()
    write(folder, {"b.png.json": {"unheard": 1}})
    report = ingest(pool, collection, folder, prune=True)
    assert "unheard" in faults(report)["b.png"]
    assert (report.deleted, report.unpruned) == (0, True)
    assert set(stored(collection)) == {"a.png", "b.png"}


def test_broken_files_are_named_and_the_others_stored(pool, collection, folder):
    """Truncated, empty, of another format, open, with a bad sidecar: each with its own reason."""
    bad = {
        "broken.png": files.png()[:60],
        "empty.wav": b"",
        "lies.jpg": files.noise(),
        "open.npy": files.depth_npy(),
        "grey-depth.png": files.thermal8_png(),
        "side.png": files.png(),
        "side.png.json": b"{nonsense",
        "odd.png": files.png(),
        "odd.png.json": {"modality": "smell"},
        "large.png": files.png(),
        "large.png.json": {"metadata": {"n": 2**64}},
    }
    write(folder, {**bad, **{f"good{n}.png": files.png(30 + n, 30) for n in range(20)}})
    report = ingest(pool, collection, folder)
    told = faults(report)
    assert set(told) == {name for name in bad if not name.endswith(".json")}
    assert set(stored(collection)) == {f"good{n}.png" for n in range(20)}
    for name, word in {"broken.png": "truncated", "empty.wav": "0 bytes", "open.npy": "sidecar"}.items():
        assert word in told[name]
    assert "valid JSON" in told["side.png"]
    assert "thermal" in told["odd.png"]
    assert str(2**64 - 1) in told["large.png"]


def deadly_views(sample):
    """Of a picture 13 pixels wide: the end of the process, as a fault in a C library would be."""
    if sample.pixels.shape[1] == 13:
        os.kill(os.getpid(), signal.SIGSEGV)
    return image_views(sample)


def test_a_decoder_that_crashes_costs_only_its_file(collection, folder):
    """The file is named with the signal; those after it in the same process are stored."""
    write(folder, {f"{n}.png": files.png(20 + n, 20) for n in range(12)})
    write(folder, {"deadly.png": files.png(13, 13)})
    image = Tower(deadly_views, EMBEDDER.towers["image"].encoder, 20.0)
    embedder = replace(EMBEDDER, towers={**EMBEDDER.towers, "image": image})
    with DecodePool(Preparer.of(embedder, DEFAULT_LIMITS), workers=1) as pool:
        report = ingest(pool, collection, folder)
    assert set(stored(collection)) == {f"{n}.png" for n in range(12)}
    assert list(faults(report)) == ["deadly.png"]
    assert "signal 11" in faults(report)["deadly.png"]


def test_what_cannot_be_sent_to_a_process_is_decoded_in_threads(collection, folder):
    """A `prepare` that is a closure."""
    write(folder, {"a.png": files.png(), "b.wav": files.wav(), "c.png": b"no picture"})

    def closure(sample):
        return image_views(sample)

    image = Tower(closure, EMBEDDER.towers["image"].encoder, 20.0)
    preparer = Preparer.of(replace(EMBEDDER, towers={**EMBEDDER.towers, "image": image}), DEFAULT_LIMITS)
    with pytest.raises((AttributeError, pickle.PicklingError)):
        pickle.dumps(preparer)
    with DecodePool(preparer, workers=2) as pool:
        report = ingest(pool, collection, folder)
    assert (report.stored, list(faults(report))) == (2, ["c.png"])


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl"])
def test_a_manifest_says_what_the_files_are(pool, collection, folder, ending):
    """Ids, modalities, parameters, metadata and texts; wrong rows are named by their number."""
    write(folder, {"walk.npy": files.npy(files.imu_values()), "room.png": files.depth_png()})
    rows = [
        {"path": "walk.npy", "id": "w", "modality": "imu", "sample_rate": 50, "metadata": {"place": "park"}},
        {"path": "room.png", "modality": "depth", "metadata": {"floor": 3}},
        {"text": "a dog, barking", "id": "words", "metadata": {"floor": str(2**64)}},
        {"path": "absent.png"},
        {"path": "room.png", "text": "both"},
    ]
    manifest = folder / f"list{ending}"
    if ending == ".jsonl":
        manifest.write_text("\n".join(json.dumps(row) for row in rows))
    else:
        tab = "\t" if ending == ".tsv" else ","
        names = ["path", "id", "modality", "text", "sample_rate", "metadata.place", "metadata.floor"]
        lines = [names]
        for row in rows:
            flat = {**row, **{f"metadata.{k}": v for k, v in row.get("metadata", {}).items()}}
            lines.append([f'"{flat[name]}"' if name in flat else "" for name in names])
        manifest.write_text("\n".join(tab.join(line) for line in lines))
    report = ingest(pool, collection, manifest)
    items = stored(collection)
    modalities = {"w": "imu", "room.png": "depth", "words": "text"}
    assert {name: item.modality for name, item in items.items()} == modalities
    assert (items["w"].metadata["place"], items["room.png"].metadata["floor"]) == ("park", 3)
    assert items["words"].metadata["floor"] == str(2**64)
    assert collection.media("words")[0] == b"a dog, barking"
    assert set(faults(report)) == {f"list{ending}, row 4", f"list{ending}, row 5"}
    assert ingest(pool, collection, manifest).unchanged == 3


def test_ids_of_another_source_are_not_overwritten(pool, collection, tmp_path):
    """A prefix keeps folders apart; the same file is known by its hash; replace takes over."""
    for name, width in (("one", 20), ("two", 30)):
        write(tmp_path / name, {"a.png": files.png(width, 20), "same.png": files.png(50, 50)})
    ingest(pool, collection, tmp_path / "one")
    refused = ingest(pool, collection, tmp_path / "two")
    assert (refused.unchanged, list(faults(refused))) == (1, ["a.png"])
    assert collection.media("a.png")[0] == files.png(20, 20)
    assert ingest(pool, collection, tmp_path / "two", Wishes(prefix="two/")).stored == 2
    assert ingest(pool, collection, tmp_path / "two", replace=True).replaced == 1
    assert collection.media("a.png")[0] == files.png(30, 20)
    assert set(stored(collection)) == {"a.png", "same.png", "two/a.png", "two/same.png"}


def test_a_stop_leaves_a_beginning_that_the_next_run_completes(pool, collection, folder):
    """Stopped after some batches: what is stored counts, the rest follows, nothing twice."""
    write(folder, {f"{n}.png": files.png(20 + n, 20) for n in range(80)})
    stop = threading.Event()

    def encode(modality, views):
        stop.set()
        return EMBEDDER.encode(modality, views)

    first, source = Report(), Source.of(str(folder))
    with DecodePool(Preparer.of(EMBEDDER, DEFAULT_LIMITS), workers=1) as own:
        Ingest(Plan(source.label), EMBEDDER, Encoder(encode), collection, own, first, stop, 16).run(
            source.found(Wishes())
        )
    assert 0 < first.stored < 80
    assert not first.finished
    assert len(stored(collection)) == first.stored
    second = ingest(pool, collection, folder)
    assert (second.unchanged, second.stored) == (first.stored, 80 - first.stored)
    assert set(stored(collection)) == {f"{n}.png" for n in range(80)}


INGEST_AND_DIE = """
import os, sys, threading
from pathlib import Path
from index import Item, Row, Store
from index.durable import BESIDE
from index.media import MANY
from service.bulk import storing
from tests import test_ingest as t

storing.ITEMS = 8
store = Store.open(Path(sys.argv[1]))
collection, _ = store.create("things", **t.FACTS)
upsert, calls = collection.upsert, []

def upsert_and_die(*words):
    calls.append(1)
    if len(calls) > 3:
        os.kill(os.getpid(), 9)
    upsert(*words)
    if len(calls) == int(sys.argv[3]):
        os.kill(os.getpid(), 9)

collection.upsert = upsert_and_die
with t.DecodePool(t.Preparer.of(t.EMBEDDER, t.DEFAULT_LIMITS), 1) as pool:
    t.ingest(pool, collection, Path(sys.argv[2]))
"""


def test_after_kill_9_the_same_command_completes_the_collection(pool, tmp_path, folder):
    """Killed right after a transaction and right before one: by the set of files none twice, none missing."""
    write(folder, {f"{n}.png": files.png(20 + n, 20) for n in range(70)})
    for after in ("2", "9"):
        done = subprocess.run(
            [sys.executable, "-c", INGEST_AND_DIE, str(tmp_path / "data"), str(folder), after],
            cwd=Path(__file__).parent.parent,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == -9, done.stderr
    with Store.open(tmp_path / "data") as store:
        collection = store.get("things")
        there = len(stored(collection))
        assert 0 < there < 70
        report = ingest(pool, collection, folder)
        assert (report.unchanged, report.stored) == (there, 70 - there)
        assert set(stored(collection)) == {f"{n}.png" for n in range(70)}
        assert collection.info().shelves["image"].vectors == 70


def test_many_media_are_stored_at_once(tmp_path):
    """A transaction of more files than are synced one by one: all whole, those there untouched, none half."""
    contents = {f"{n}": f"text {n}".encode() for n in range(MANY + 8)}
    with Store.open(tmp_path) as store:
        things, _ = store.create("things", **FACTS)
        row = Row(np.ones(EMBEDDER.dim, np.float32))
        things.upsert([Item("first", "text", (row,), media=contents["0"])])
        [path] = (tmp_path / "collections" / "things" / "media").glob("*/*")
        before = path.stat().st_mtime_ns
        things.upsert([Item(name, "text", (row,), media=content) for name, content in contents.items()])
        assert {name: things.media(name)[0] for name in contents} == contents
        assert path.stat().st_mtime_ns == before
        names = [each.name for each in path.parent.parent.glob("*/*")]
    assert len(names) == len(contents)
    assert not [name for name in names if name.endswith(BESIDE)]


def test_preparers_of_the_models_can_be_sent_to_processes(tmp_path):
    """Bundled and ImageBind: unpickled they make the same views."""
    weights = save("nano", tmp_path / "nano.pth")
    for embedder in (models.load("sensorium-small"), models.load("imagebind-nano", weights=weights)):
        sent = pickle.loads(pickle.dumps(Preparer.of(embedder, DEFAULT_LIMITS)))
        for modality, data in (("image", files.jpeg()), ("audio", files.wav()), ("depth", files.depth_png())):
            expected = embedder.prepare(modality, decode(modality, data)).tensor.numpy()
            assert (sent.views(modality, data, {})[0].tensor.numpy() == expected).all()
