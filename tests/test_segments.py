"""Where the segments of recordings lie, and what is looked at of them."""

from itertools import pairwise

import numpy as np
import pytest

from models.media.limits import Limits
from models.media.reel import Reel, forward
from models.modalities import decode
from models.samples import AudioSample
from models.segments import UNCUT, Cutting, Span, prepared, spans, spans_of
from tests import media_files as files
from tests.recordings import RATE, film, hiss

CUTTING = Cutting(10.0, 60)


@pytest.mark.parametrize(
    ("duration", "cutting", "count"),
    [
        (60.0, CUTTING, 6),
        (18.0, CUTTING, 0),
        (19.6, CUTTING, 2),
        (3600.0, CUTTING, 60),
        (60.0, UNCUT, 0),
        (60.0, Cutting(10.0, 1), 0),
        (1000.0, Cutting(100.0, 7), 7),
    ],
)
def test_segments_cover_a_recording_evenly(duration, cutting, count):
    """They have one length, of the least at least (nearly), and no hole between them."""
    made = spans(duration, cutting)
    assert len(made) == count
    if made:
        assert (made[0].start_s, made[-1].end_s) == (0.0, duration)
        assert all(one.end_s == other.start_s for one, other in pairwise(made))
        lengths = [span.end_s - span.start_s for span in made]
        assert max(lengths) - min(lengths) < 0.01
        assert min(lengths) > 0.95 * cutting.segment_s


def test_what_is_no_recording_has_no_segments():
    """Texts and pictures have no seconds."""
    for modality, data in (("text", b"words " * 1000), ("image", files.png()), ("depth", files.depth_png())):
        sample = decode(modality, data)
        assert spans_of(sample, Cutting(0.001, 60)) == []
        assert list(prepared(lambda _: None, sample, [Span(0, 1)])) == []


def test_silence_is_no_segment(small_model):
    """Of a sound with a pause, the pause is not stored; of silence, nothing but the whole."""
    samples = np.zeros(60 * RATE, np.float32)
    samples[5 * RATE : 15 * RATE] = hiss(10)
    prepare = small_model.tower("audio").prepare
    for waveform, count in ((samples, 2), (np.zeros_like(samples), 0)):
        sample = AudioSample(waveform)
        assert len(list(prepared(prepare, sample, spans_of(sample, CUTTING)))) == count


def test_of_a_costly_film_key_frames_are_shown(long_mp4):
    """They lie in the stretch that was asked for, and far fewer frames are decoded."""
    sample = decode("video", film(key_every=8))
    wanted = [[10, 30], [90, 99, 110], [200, 230]]
    stretches = [(0, 39), (80, 119), (200, 239)]
    counts = []
    for exact_pixels in (10**12, 1):
        with forward(sample.source) as reel:
            assert isinstance(reel, Reel)
            reel._exact_pixels = exact_pixels
            pictures = [
                list(reel.stretch(numbers, *bounds))
                for numbers, bounds in zip(wanted, stretches, strict=True)
            ]
            counts.append(reel._player.pixels)
        assert [len(each) for each in pictures] == [2, 3, 2]
        assert all(np.ptp(each[..., 0]) > 100 for each in pictures[1])
        assert all(np.ptp(each[..., 0]) < 50 for each in (*pictures[0], *pictures[2]))
    assert counts[1] < counts[0] / 3
    exact = decode("video", long_mp4)
    with forward(exact.source) as reel:
        np.testing.assert_array_equal(
            np.stack(list(reel.stretch([3, 77, 90], 0, 239))), exact.frames([3, 77, 90])
        )


def test_a_film_whose_parts_cost_too_much_is_stored_whole(small_model, long_mp4):
    """The bound on decoded pixels takes segments away and refuses nothing that was accepted before."""
    sample = decode("video", long_mp4, limits=Limits(decoded_pixels=64 * 48 * 100))
    prepare = small_model.tower("image").prepare
    made = [each.span for each in prepared(prepare, sample, spans_of(sample, CUTTING))]
    assert [span.start_s for span in made] == [0.0, 10.0]
