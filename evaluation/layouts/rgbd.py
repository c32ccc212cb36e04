"""SUN RGB-D (Song et al. 2015) and NYU Depth v2 (Silberman et al. 2012): depth maps of named rooms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from evaluation.errors import LayoutError
from evaluation.items import Item, file_item
from evaluation.layouts.tables import DataSet, first_there, named_in_words
from evaluation.naming import Naming
from models.errors import MediaError
from models.modalities import decode
from models.samples import DepthSample

SUN = """\
**/scene.txt               one folder per frame, as SUNRGBD.zip unpacks (kv1/, kv2/, realsense/, xtion/)
**/depth_bfx/*.png or depth/*.png, intrinsics.txt
{split}.txt                folders of the split, one per line, as allsplit.mat names them; else all frames"""
NYU = """\
{split}/SCENE/sync_depth_*.png   16-bit millimetres, as the usual converters of nyu_depth_v2_labeled.mat write
                                 them (official_splits/{split}/ too); --split test
or SUN RGB-D's kv1/NYUdata/ with its scene.txt files"""
SUN_SCENES = (
    "bathroom", "bedroom", "classroom", "computer_room", "conference_room", "corridor", "dining_area",
    "dining_room", "discussion_area", "furniture_store", "home_office", "kitchen", "lab", "lecture_theatre",
    "library", "living_room", "office", "rest_space", "study_space",
)  # fmt: skip
NYU_SCENES = (
    "bathroom", "bedroom", "bookstore", "classroom", "dining_room", "home_office", "kitchen", "living_room",
    "office",
)  # fmt: skip
# The tenth class: every other scene, each by its own name.
NYU_OTHERS = (
    "basement", "cafe", "computer_lab", "conference_room", "dinette", "exercise_room", "foyer",
    "furniture_store", "home_storage", "indoor_balcony", "laundry_room", "office_kitchen", "playroom",
    "printer_room", "reception_room", "student_lounge", "study", "study_room",
)  # fmt: skip
OTHERS = "others"
NYU_FX, NYU_BASELINE = 518.857901, 0.075  # of NYU's toolbox (camera_params.m), px; of a Kinect v1, m
# Baselines [m] that ImageBind's authors used (facebookresearch/omnivore, thread 12).
BASELINES = {"kv1": 0.075, "kv2": 0.075, "realsense": 0.095, "xtion": 0.095}


def unrotated(counts: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
    """SUN RGB-D stores millimetres rotated left by 3 bits (SUNRGBDtoolbox, read3dPoints.m)."""
    return np.asarray((counts >> 3) | (counts << 13), np.uint16)


def _sun_depth(path: Path, fx: float | None, baseline: float | None) -> DepthSample:
    sample = decode("depth", path.read_bytes(), unit="mm", fx=fx, baseline=baseline)
    if not isinstance(sample, DepthSample):
        raise MediaError(f"{path} is no depth map")
    counts = np.rint(sample.metres * 1000).astype(np.uint16)
    return replace(sample, metres=(unrotated(counts) / 1000).astype(np.float32))


def _sun_item(folder: Path) -> Item | None:
    """The depth map of a frame, holes filled where the set has that; None where there is no map."""
    maps = [path for name in ("depth_bfx", "depth") for path in sorted((folder / name).glob("*.png"))]
    if not maps:
        return None
    intrinsics = folder / "intrinsics.txt"
    fx = float(intrinsics.read_text(encoding="utf-8").split()[0]) if intrinsics.exists() else None
    baseline = next((metres for name, metres in BASELINES.items() if name in folder.parts), None)
    return Item("depth", str(maps[0]), partial(_sun_depth, maps[0], fx, baseline), maps[0])


def _frames(root: Path, split: str | None) -> tuple[list[tuple[Path, str]], list[str]]:
    """(folder, scene) of every frame; a remark where the split is unknown."""
    folders = sorted(path.parent for path in root.rglob("scene.txt"))
    if not folders:
        raise LayoutError(f"{root} lacks **/scene.txt")
    listed = root / f"{split or 'test'}.txt"
    notes = []
    if listed.exists():
        wanted = [line.strip().strip("/") for line in listed.read_text(encoding="utf-8").splitlines()]
        tails = tuple(line.split("SUNRGBD/")[-1] for line in wanted if line)
        folders = [folder for folder in folders if folder.as_posix().endswith(tails)]
    elif split:
        raise LayoutError(f"{root} lacks {split}.txt, the list of the split's folders")
    else:
        notes = [f"no test.txt: all {len(folders)} frames, where the paper takes the test split alone"]
    scenes = [(folder, (folder / "scene.txt").read_text(encoding="utf-8").strip()) for folder in folders]
    return scenes, notes


def _naming(name: str, items: Sequence[Item], labels: Sequence[str], scenes: Sequence[str]) -> Naming:
    words: dict[str, tuple[str, ...]] = {scene: (named_in_words(scene),) for scene in scenes}
    if OTHERS in words:
        words[OTHERS] = tuple(named_in_words(scene) for scene in NYU_OTHERS)
    return Naming(name, "depth", items, labels, words, ("imagebind", "clip-80", "short", "bare"))


def sun(root: Path, split: str | None) -> DataSet:
    """The 19 scenes of the benchmark; frames of other scenes are left out."""
    frames, notes = _frames(root, split)
    found = [(item, scene) for folder, scene in frames if scene in SUN_SCENES if (item := _sun_item(folder))]
    if not found:
        raise LayoutError(f"{root} has no depth map of the 19 scenes ({', '.join(SUN_SCENES)})")
    left = len(frames) - len(found)
    notes += [f"{left} frames of other scenes or without a map are left out"] if left else []
    return DataSet(
        [_naming("SUN RGB-D", [item for item, _ in found], [scene for _, scene in found], SUN_SCENES)], notes
    )


def _nyu_files(root: Path, split: str) -> list[tuple[Item, str]]:
    base = first_there(root, split, f"official_splits/{split}")
    paths = sorted(base.glob("*/sync_depth_[0-9]*.png"))
    if not paths:
        raise LayoutError(f"{base} lacks SCENE/sync_depth_*.png")
    camera = {"unit": "mm", "fx": NYU_FX, "baseline": NYU_BASELINE}
    return [(file_item("depth", path, **camera), path.parent.name) for path in paths]


def nyu(root: Path, split: str | None) -> DataSet:
    """Nine scenes, and all others as the tenth, which answers to 18 names."""
    notes: list[str] = []
    if any((root / name).is_dir() for name in (split or "test", "official_splits")):
        found = _nyu_files(root, split or "test")
    elif next(root.rglob("scene.txt"), None):
        frames, notes = _frames(root, split)
        found = [(item, scene) for folder, scene in frames if (item := _sun_item(folder))]
    else:
        raise LayoutError(f"{root} lacks {split or 'test'}/SCENE/sync_depth_*.png or **/scene.txt")
    labels = [scene if scene in NYU_SCENES else OTHERS for _, scene in found]
    return DataSet([_naming("NYU-D", [item for item, _ in found], labels, (*NYU_SCENES, OTHERS))], notes)
