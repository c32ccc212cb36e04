"""Clip, frame, resize and crop arithmetic equals the reference's, case by case."""

import pytest

from models.errors import ParameterError
from models.imagebind.sampling import (
    audio_spans,
    centre_crop,
    clip_starts,
    frame_pairs,
    scaled_image,
    scaled_video,
    three_crops,
)
from tests.imagebind_reference import sampling, video

CLIPS = (1, 2, 3, 5)


def cases(table):
    """One parameter per case and number of clips."""
    return [
        pytest.param(case, clips, id=f"{next(iter(case.values()))}-{clips}")
        for case in sampling[table]
        for clips in CLIPS
        if f"clips_{clips}" in case
    ]


@pytest.mark.parametrize(("case", "clips"), cases("audio_sample_slices"))
def test_audio_clips_start_and_end_at_the_reference_samples(case, clips):
    """Exact fractions of a rounded duration, floored."""
    spans = audio_spans(case["samples_16k"], 16_000, clips)
    assert [list(span) for span in spans] == case[f"clips_{clips}"]


@pytest.mark.parametrize(("case", "clips"), cases("video_frames"))
def test_video_frames_are_the_reference_frames(case, clips):
    """First and last frame of each clip, and the clip's start."""
    expected = case[f"clips_{clips}"]
    assert [list(pair) for pair in frame_pairs(case["frames"], case["fps"], clips)] == [
        clip["used"] for clip in expected
    ]
    starts = clip_starts(case["frames"] / case["fps"], clips)
    assert [float(start) for start in starts] == pytest.approx([clip["start"] for clip in expected])


@pytest.mark.parametrize("name", ["wide", "tall"])
@pytest.mark.parametrize("clips", [3, 5])
def test_frames_of_the_reference_videos(name, clips):
    """What decord reported for two real files leads to the frames that were used."""
    pairs = frame_pairs(int(video[f"{name}/frame_count"]), float(video[f"{name}/fps"]), clips)
    assert [list(pair) for pair in pairs] == video[f"{name}/frame_index_{clips}"].tolist()


@pytest.mark.parametrize("case", sampling["image_geometry"])
def test_stills_are_scaled_and_cropped_as_the_reference_does(case):
    """Short side 224, long side rounded down, crop offsets rounded half to even."""
    size = scaled_image(case["height"], case["width"])
    assert list(size) == case["resized"]
    assert list(centre_crop(*size)) == case["crop_top_left"]


@pytest.mark.parametrize("case", sampling["video_geometry"])
def test_frames_are_scaled_and_cropped_as_the_reference_does(case):
    """Three crops along the longer side."""
    size = scaled_video(case["height"], case["width"])
    assert list(size) == case["scaled"]
    assert [list(corner) for corner in three_crops(*size)] == case["crop_top_left"]


@pytest.mark.parametrize("clips", [0, -1, 101])
def test_a_number_of_clips_out_of_range_is_refused(clips):
    """The message names the accepted range."""
    with pytest.raises(ParameterError, match="1 to 100"):
        clip_starts(10.0, clips)
