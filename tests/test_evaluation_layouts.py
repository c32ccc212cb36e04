"""Loaders of the evaluation on tiny trees laid out as the public data sets are."""

import csv
import json

import numpy as np
import pytest

from evaluation import datasets
from evaluation.errors import EvaluationError, LayoutError
from evaluation.layouts.llvip import background_boxes
from evaluation.layouts.rgbd import NYU_OTHERS, unrotated
from models.errors import MediaError
from tests import media_files as files


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def table(path, header, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


def only_task(name, root, split=None):
    [task] = datasets.load(name, root, split).tasks
    return task


def esc50(root, missing=()):
    rows = [("1-dog-0.wav", 1, 0, "dog"), ("2-dog-0.wav", 2, 0, "dog"), ("2-sea-11.wav", 2, 11, "sea_waves")]
    table(root / "meta/esc50.csv", ("filename", "fold", "target", "category"), *rows)
    for name, *_ in rows:
        if name not in missing:
            write(root / "audio" / name, files.wav(0.3))


def test_esc50_reads_folds_and_says_names_in_words(tmp_path):
    """All clips, or one fold; the names stay those of the whole set."""
    esc50(tmp_path)
    task = only_task("esc-50", tmp_path)
    assert task.labels == ["dog", "dog", "sea_waves"]
    assert task.names["sea_waves"] == ("sea waves",)
    fold = only_task("esc-50", tmp_path, "1")
    assert fold.labels == ["dog"]
    assert list(fold.names) == ["dog", "sea_waves"]
    assert fold.items[0].read().duration_s == pytest.approx(0.3)
    with pytest.raises(LayoutError, match="no fold '9'; accepted are 1, 2"):
        datasets.load("esc-50", tmp_path, "9")


def test_missing_files_are_counted_and_named(tmp_path):
    """Some missing is a remark; all missing, a missing table or a missing column an error with the layout."""
    esc50(tmp_path / "some", missing=["2-dog-0.wav"])
    some = datasets.load("esc-50", tmp_path / "some", None)
    assert len(some.tasks[0].items) == 2
    assert some.notes == ["1 of 3 clips are missing, for example 2-dog-0.wav"]
    esc50(tmp_path / "none", missing=["1-dog-0.wav", "2-dog-0.wav", "2-sea-11.wav"])
    (tmp_path / "none/audio").mkdir()
    with pytest.raises(LayoutError, match="none of the 3 clips"):
        datasets.load("esc-50", tmp_path / "none", None)
    (tmp_path / "empty").mkdir()
    with pytest.raises(LayoutError, match=r"lacks meta/esc50.csv(.|\n)*audio/\*\.wav"):
        datasets.load("esc-50", tmp_path / "empty", None)
    table(tmp_path / "odd/meta/esc50.csv", ("file", "fold"), ("a.wav", 1))
    with pytest.raises(LayoutError, match="lacks the column 'filename'; it has file, fold"):
        datasets.load("esc-50", tmp_path / "odd", None)


def test_an_unknown_data_set_lists_the_known_ones_with_their_files(tmp_path):
    """Name and layout of every data set stand in the message."""
    with pytest.raises(EvaluationError) as error:
        datasets.load("esc", tmp_path, None)
    for name, layout in datasets.DATASETS.items():
        assert name in str(error.value)
        assert layout.expects.splitlines()[0] in str(error.value)
    with pytest.raises(LayoutError, match="is no folder"):
        datasets.load("clotho", tmp_path / "nowhere", None)


def test_audiocaps_gathers_the_captions_of_a_clip(tmp_path):
    """Rows of one clip become one sound; the usual file names are known; missing ones are counted."""
    rows = [
        (1, "aa", 30, "a dog barks"),
        (2, "aa", 30, "a dog is barking"),
        (3, "bb", 5, "rain"),
        (4, "cc", 0, "wind"),
        (5, "dd", 0, "gone"),
    ]
    table(tmp_path / "test.csv", ("audiocap_id", "youtube_id", "start_time", "caption"), *rows)
    for name in ("Yaa.wav", "bb_5.wav", "4.wav"):
        write(tmp_path / "audio" / name, files.wav(0.2))
    data = datasets.load("audiocaps", tmp_path, None)
    [task] = data.tasks
    assert [item.file.name for item in task.left] == ["Yaa.wav", "bb_5.wav", "4.wav"]
    assert [item.key for item in task.right] == ["a dog barks", "a dog is barking", "rain", "wind"]
    assert task.owners == [0, 0, 1, 2]
    assert data.notes == ["1 of 4 sounds are missing, for example dd.wav"]


def test_clotho_has_five_captions_a_sound(tmp_path):
    """One row a sound; an empty cell is no caption."""
    header = ("file_name", *(f"caption_{number}" for number in range(1, 6)))
    rows = [("x y.wav", "a", "b", "c", "d", "e"), ("z.wav", "f", "g", "h", "i", "")]
    table(tmp_path / "clotho_captions_evaluation.csv", header, *rows)
    for name, *_ in rows:
        write(tmp_path / "evaluation" / name, files.wav(0.2))
    task = only_task("clotho", tmp_path)
    assert len(task.right) == 9
    assert task.owners == [0] * 5 + [1] * 4


def test_vggsound_has_no_header(tmp_path):
    """Start seconds with leading zeros, the split's rows, all labels as names; a short line is named."""
    lines = '--ab,30,"people marching",test\n--cd,5,"dog barking",test\n--ef,0,wind,train\n'
    write(tmp_path / "vggsound.csv", lines)
    write(tmp_path / "audio/--ab_000030.wav", files.wav(0.2))
    write(tmp_path / "audio/--cd_5.flac", files.flac(0.2))
    task = only_task("vggsound", tmp_path)
    assert list(task.labels) == ["people marching", "dog barking"]
    assert list(task.names) == ["dog barking", "people marching", "wind"]
    with pytest.raises(LayoutError, match="no split 'val'; it has test, train"):
        datasets.load("vggsound", tmp_path, "val")
    write(tmp_path / "vggsound.csv", "a,1,b\n")
    with pytest.raises(LayoutError, match=r"line 1 of .* has 3 columns"):
        datasets.load("vggsound", tmp_path, None)


def test_imagenet_translates_wordnet_ids(tmp_path):
    """By any of the usual lists; without one the error names them; plain folder names need none."""
    for wnid in ("n01440764", "n02102040"):
        write(tmp_path / "val" / wnid / "a.JPEG", files.jpeg())
    with pytest.raises(LayoutError, match=r"lacks classnames.txt or LOC_synset_mapping.txt"):
        datasets.load("imagenet", tmp_path, None)
    mapping = tmp_path / "LOC_synset_mapping.txt"
    write(mapping, "n01440764 tench, Tinca tinca\n")
    with pytest.raises(LayoutError, match="lacks n02102040"):
        datasets.load("imagenet", tmp_path, None)
    write(mapping, "n01440764 tench, Tinca tinca\nn02102040 English springer, English springer spaniel\n")
    names = only_task("imagenet", tmp_path).names
    assert names == {"n01440764": ("tench",), "n02102040": ("English springer",)}
    mapping.unlink()
    keras = {"0": ["n01440764", "tench"], "1": ["n02102040", "English_springer"]}
    write(tmp_path / "imagenet_class_index.json", json.dumps(keras))
    assert only_task("imagenet", tmp_path).names == names
    write(tmp_path / "own/hot_dog/a.png", files.png())
    task = only_task("imagenet", tmp_path / "own")
    assert task.names == {"hot_dog": ("hot dog",)}
    assert task.items[0].read().pixels.shape == (48, 64, 3)


def test_all_thousand_classes_take_clips_names(tmp_path):
    """The folders of the full set, sorted, are CLIP's classes in their order."""
    wnids = [f"n{number:08}" for number in range(1, 1001)]
    for wnid in wnids:
        (tmp_path / wnid).mkdir()
    write(tmp_path / wnids[0] / "a.JPEG", files.jpeg())
    names = only_task("imagenet", tmp_path).names
    assert (names[wnids[0]], names[wnids[999]]) == (("tench",), ("toilet paper",))


def test_nyu_gathers_the_rare_scenes(tmp_path):
    """Nine scenes and a tenth that answers to 18 names; millimetres, NYU's camera."""
    for scene in ("kitchen", "bathroom", "cafe"):
        write(tmp_path / "official_splits/test" / scene / "sync_depth_00001.png", files.depth_png())
    task = only_task("nyu-d", tmp_path)
    assert task.labels == ["bathroom", "others", "kitchen"]
    assert len(task.names) == 10
    assert len(task.names["others"]) == len(NYU_OTHERS) == 18
    sample = task.items[0].read()
    assert sample.metres.max() == pytest.approx(4, abs=0.01)
    assert sample.fx == pytest.approx(518.86, abs=0.01)
    (tmp_path / "bare").mkdir()
    with pytest.raises(LayoutError, match="sync_depth"):
        datasets.load("nyu-d", tmp_path / "bare", None)


def sun_frame(root, folder, scene, millimetres):
    counts = np.asarray(millimetres, np.uint16)
    rotated = (counts << 3) | (counts >> 13)
    write(root / folder / "scene.txt", scene)
    write(root / folder / "intrinsics.txt", "529.5 0 365 0 529.5 265 0 0 1")
    write(root / folder / "depth_bfx/1.png", files.picture_bytes(rotated))


def test_sun_rgbd_rotates_back_by_three_bits(tmp_path):
    """Metres, focal length, baseline by sensor; other scenes are left out; a split is a list of folders."""
    truth = np.array([[0, 800, 1999], [4000, 7000, 8191]] * 8)
    sun_frame(tmp_path, "kv1/NYUdata/NYU0001", "kitchen", truth)
    sun_frame(tmp_path, "xtion/sun3ddata/x", "dining_room", truth)
    sun_frame(tmp_path, "kv2/align_kv2/y", "gym", truth)
    data = datasets.load("sun-rgbd", tmp_path, None)
    [task] = data.tasks
    assert task.labels == ["kitchen", "dining_room"]
    assert len(task.names) == 19
    assert any("1 frames of other scenes" in note for note in data.notes)
    first, second = (item.read() for item in task.items)
    assert np.allclose(first.metres, truth / 1000, atol=1e-4)
    assert (first.fx, first.baseline, second.baseline) == (529.5, 0.075, 0.095)
    write(tmp_path / "test.txt", "/n/fs/sun3d/data/SUNRGBD/xtion/sun3ddata/x\n")
    assert only_task("sun-rgbd", tmp_path).labels == ["dining_room"]
    with pytest.raises(LayoutError, match=r"lacks train\.txt"):
        datasets.load("sun-rgbd", tmp_path, "train")


def test_rotating_back_undoes_rotating(tmp_path):
    """Every count of 16 bits."""
    counts = np.arange(65_536, dtype=np.uint16)
    assert np.array_equal(unrotated((counts << 3) | (counts >> 13)), counts)


def voc(*boxes, width=64, height=48):
    cut = "".join(
        f"<object><name>person</name><bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax><ymax>{d}</ymax>"
        "</bndbox></object>"
        for a, b, c, d in boxes
    )
    return f"<annotation><size><width>{width}</width><height>{height}</height></size>{cut}</annotation>"


def test_llvip_cuts_persons_and_as_much_background(tmp_path):
    """Crops of the boxes' sizes; a box that leaves the picture is cut; a broken annotation is named."""
    write(tmp_path / "infrared/test/01.png", files.thermal8_png())
    write(tmp_path / "Annotations/01.xml", voc((2, 3, 12, 33), (50, 10, 80, 40)))
    data = datasets.load("llvip", tmp_path, None)
    [task] = data.tasks
    assert task.labels == ["person", "person", "background", "background"]
    shapes = [item.read().values.shape for item in task.items]
    assert shapes[:2] == [(30, 10), (30, 14)]
    assert shapes[2:] == shapes[:2]
    assert "car" in task.names["background"]
    whole = task.items[0].read().values
    again = only_task("llvip", tmp_path).items
    assert [item.key for item in again] == [item.key for item in task.items]
    assert np.array_equal(again[0].read().values, whole)
    write(tmp_path / "Annotations/01.xml", "<annotation>")
    with pytest.raises(LayoutError, match="no Pascal VOC annotation"):
        datasets.load("llvip", tmp_path, None)


def test_background_boxes_meet_no_person():
    """Of the persons' sizes, inside the picture, the same for the same name; none where there is no room."""
    persons = [(10, 10, 30, 60), (100, 20, 130, 90)]
    found = background_boxes(persons, (200, 100), "a")
    assert [(x2 - x1, y2 - y1) for x1, y1, x2, y2 in found] == [(20, 50), (30, 70)]
    for x1, y1, x2, y2 in found:
        assert x1 >= 0
        assert y1 >= 0
        assert x2 <= 200
        assert y2 <= 100
        assert all(x2 <= a or c <= x1 or y2 <= b or d <= y1 for a, b, c, d in persons)
    assert background_boxes(persons, (200, 100), "a") == found
    assert background_boxes([(0, 0, 60, 90)], (60, 90), "a") == []


def ego4d_csv(samples, rate):
    """Ego4D's header: two clocks, gyroscope first."""
    rows = files.imu_values(samples, rate)
    clocks = "component_idx,component_timestamp_ms,canonical_timestamp_ms"
    lines = [f"{clocks},gyro_x,gyro_y,gyro_z,accl_x,accl_y,accl_z"]
    for number, (ax, ay, az, gx, gy, gz) in enumerate(rows):
        ms = number * 1000 / rate
        lines.append(",".join(map(str, (0, ms + 7, ms, gx, gy, gz, ax, ay, az))))
    return "\n".join(lines) + "\n"


def test_ego4d_cuts_windows_of_five_seconds(tmp_path):
    """From a list, or spread over the videos that have one scenario; beyond the end there is nothing."""
    write(tmp_path / "imu/v1.csv", ego4d_csv(1000, 50))
    table(tmp_path / "windows.csv", ("video_uid", "start_s", "label"), ("v1", 2, "walking"), ("v1", 30, "x"))
    task = only_task("ego4d-imu", tmp_path)
    sample = task.items[0].read()
    assert sample.sample_rate == pytest.approx(50)
    assert sample.values.shape == (250, 6)
    assert np.allclose(sample.values, files.imu_values(1000, 50)[100:350], atol=1e-4)
    with pytest.raises(MediaError, match="ends before 30 s"):
        task.items[1].read()
    (tmp_path / "windows.csv").unlink()
    videos = [
        {"video_uid": "v1", "duration_sec": 20.0, "scenarios": ["walking a dog"]},
        {"video_uid": "v2", "duration_sec": 60.0, "scenarios": ["a", "b"]},
        {"video_uid": "v3", "duration_sec": 60.0, "scenarios": ["cooking"]},
    ]
    write(tmp_path / "ego4d.json", json.dumps({"videos": videos}))
    data = datasets.load("ego4d-imu", tmp_path, None)
    [task] = data.tasks
    assert task.labels == ["walking a dog"] * 4
    assert list(task.names) == ["cooking", "walking a dog"]
    assert [item.read().values.shape[0] for item in task.items] == [250] * 4
    assert "1 of 2 recordings" in data.notes[0]
    table(tmp_path / "windows.csv", ("video_uid", "start_s", "label"), ("v1", "soon", "walking"))
    with pytest.raises(LayoutError, match="start_s has to be seconds"):
        datasets.load("ego4d-imu", tmp_path, None)
    (tmp_path / "windows.csv").unlink()
    write(tmp_path / "ego4d.json", "{")
    with pytest.raises(LayoutError, match=r"a list below \S+ cannot be read"):
        datasets.load("ego4d-imu", tmp_path, None)
