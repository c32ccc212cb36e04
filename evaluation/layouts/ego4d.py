"""Ego4D's IMU recordings (Grauman et al. 2022), cut into windows that bear their video's scenario."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path

from evaluation.errors import LayoutError
from evaluation.items import Item
from evaluation.layouts.tables import DataSet, absent, first_there, rows_of
from evaluation.naming import Naming
from models.errors import MediaError
from models.modalities import decode
from models.samples import ImuSample

EXPECTS = """\
imu/VIDEO_UID.csv   canonical_timestamp_ms, gyro_x ... accl_z, as Ego4D gives them (or any IMU table)
windows.csv         video_uid, start_s, label: windows of 5 s; or
ego4d.json          videos with video_uid, duration_sec and scenarios; up to 20 windows of every video"""
WINDOW_S = 5.0
WINDOWS = 20  # of a video, evenly spread


@lru_cache(maxsize=4)
def _recording(path: Path) -> ImuSample:
    """The whole recording, acceleration [m/s2], angular rate [rad/s]."""
    header, newline, rows = path.read_bytes().partition(b"\n")
    # Ego4D has two clocks; the canonical one is the video's.
    plain = header.replace(b"canonical_timestamp_ms", b"timestamp_ms")
    sample = decode("imu", plain + newline + rows)
    if not isinstance(sample, ImuSample):
        raise MediaError(f"{path} is no IMU recording")
    return sample


def _window(path: Path, start_s: float) -> ImuSample:
    whole = _recording(path)
    first = round(start_s * whole.sample_rate)
    values = whole.values[first : first + round(WINDOW_S * whole.sample_rate)]
    if not len(values):
        raise MediaError(f"{path} ends before {start_s:g} s")
    return replace(whole, values=values)


def window_item(path: Path, start_s: float) -> Item:
    return Item("imu", f"{path}@{start_s:g}", partial(_window, path, start_s), path)


def _listed(root: Path) -> list[tuple[str, float, str]]:
    rows = rows_of(root / "windows.csv", ("video_uid", "start_s", "label"))
    try:
        return [(row["video_uid"], float(row["start_s"]), row["label"]) for row in rows]
    except ValueError as error:
        raise LayoutError(f"{root / 'windows.csv'}: start_s has to be seconds: {error}") from error


def _spread(root: Path) -> list[tuple[str, float, str]]:
    """Windows of the videos that have exactly one scenario."""
    with (root / "ego4d.json").open(encoding="utf-8") as file:
        videos = json.load(file)["videos"]
    found = []
    for video in videos:
        if len(video.get("scenarios") or ()) == 1:
            count = min(WINDOWS, int(video["duration_sec"] // WINDOW_S))
            latest = video["duration_sec"] - WINDOW_S
            starts = [round(latest * number / max(count - 1, 1), 3) for number in range(count)]
            found += [(video["video_uid"], start, video["scenarios"][0]) for start in starts]
    return found


def load(root: Path, split: str | None) -> DataSet:
    """Windows with their scenario; the names are all scenarios met. There are no splits."""
    if split:
        raise LayoutError("Ego4D's windows have no splits; list those wanted in windows.csv")
    listed = first_there(root, "windows.csv", "ego4d.json").name == "windows.csv"
    windows = _listed(root) if listed else _spread(root)
    if not windows:
        raise LayoutError(f"{root} names no window: no row in windows.csv, no video with one scenario")
    folder = first_there(root, "imu")
    wanted = sorted({uid for uid, _, _ in windows})
    there = {uid for uid in wanted if (folder / f"{uid}.csv").exists()}
    notes = absent([f"imu/{uid}.csv" for uid in wanted if uid not in there], len(wanted), "recordings")
    kept = [window for window in windows if window[0] in there]
    task = Naming(
        "Ego4D",
        "imu",
        [window_item(folder / f"{uid}.csv", start) for uid, start, _ in kept],
        [label for _, _, label in kept],
        {label: (label,) for label in sorted({label for _, _, label in windows})},
        ("bare", "short"),
    )
    return DataSet([task], notes)
