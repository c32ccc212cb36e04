"""Segments of long recordings: where they lie, and what of a recording each of them is.

A segment is prepared as if it were a recording of its own, by the same `prepare`: its vector is the one that
the stretch, cut out of the file, would have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np

from models.embedder import Prepare, Views
from models.errors import MediaError
from models.media.reel import Forward, forward
from models.samples import AUDIO_RATE_HZ, AudioSample, ImuSample, Sample, UInt8, VideoSample

# A recording of nearly two segments has two.
NEARLY = 0.05  # of a segment
# A stretch of sound so far below the loudest one is silence, which is like the silence of any other file.
SILENCE_DB = 60.0
# Seen of a stretch of film by models that look at clips: its beginning and its end.
FILM_CLIPS = 2
DECIMALS = 3  # of bounds in seconds


@dataclass(frozen=True)
class Cutting:
    """`segment_s`: least length of a segment [s], 0: none are cut. `most`: segments of one recording.

    Where there would be more they are longer, all alike.
    """

    segment_s: float
    most: int


UNCUT = Cutting(segment_s=0.0, most=1)


@dataclass(frozen=True)
class Span:
    """A stretch of a recording [s], from its beginning."""

    start_s: float
    end_s: float


@dataclass(frozen=True, eq=False)
class Prepared:
    """A segment and its views."""

    span: Span
    views: Views


def spans(duration_s: float, cutting: Cutting) -> list[Span]:
    """Equal stretches that cover a recording, none where it is shorter than about two."""
    count = int(duration_s / cutting.segment_s + NEARLY) if cutting.segment_s > 0 else 0
    count = min(count, cutting.most)
    if count < 2:
        return []
    bounds = [round(bound, DECIMALS) for bound in np.linspace(0, duration_s, count + 1).tolist()]
    return [Span(start, end) for start, end in pairwise(bounds)]


def film_s(sample: VideoSample) -> float:
    """Seconds from the first frame to the end of the last, by the times of the frames."""
    return float(sample.timestamps[-1]) + 1 / sample.fps


DURATIONS: Mapping[type, Callable[[Any], float]] = MappingProxyType(
    {
        AudioSample: lambda sample: sample.duration_s,
        VideoSample: film_s,
        ImuSample: lambda sample: len(sample.values) / sample.sample_rate,
    }
)


def spans_of(sample: Sample, cutting: Cutting) -> list[Span]:
    """The segments of a sample; none of a short one, or of one that is no recording."""
    duration = DURATIONS.get(type(sample))
    return spans(duration(sample), cutting) if duration else []


def _audio(sample: AudioSample, wanted: Iterable[Span]) -> Iterator[tuple[Span, AudioSample]]:
    """Sounds without those that are silent beside the others."""
    cut = []
    for span in wanted:
        start, end = (round(bound * AUDIO_RATE_HZ) for bound in (span.start_s, span.end_s))
        part = sample.waveform[start:end]
        if part.size:
            cut.append((span, part, float(np.dot(part, part)) / part.size))
    loudest = max((power for *_, power in cut), default=0.0)
    for span, part, power in cut:
        if power > 0 and power >= loudest * 10 ** (-SILENCE_DB / 10):
            yield span, AudioSample(part)


def _imu(sample: ImuSample, wanted: Iterable[Span]) -> Iterator[tuple[Span, ImuSample]]:
    for span in wanted:
        start, end = (round(bound * sample.sample_rate) for bound in (span.start_s, span.end_s))
        if start < min(end, len(sample.values)):
            yield span, replace(sample, values=sample.values[start:end])


@dataclass(frozen=True, eq=False)
class Stretch:
    """Frames `first` to `last` of a film, numbered from 0: a FrameSource."""

    film: Forward
    first: int
    last: int

    def frames(self, numbers: list[int]) -> UInt8:
        wanted = sorted(set(numbers))
        kept = dict(zip(wanted, self.each(wanted), strict=True))
        return np.stack([kept[number] for number in numbers])

    def each(self, numbers: list[int]) -> Iterator[UInt8]:
        return self.film.stretch([self.first + number for number in numbers], self.first, self.last)


def _video(sample: VideoSample, wanted: Iterable[Span]) -> Iterator[tuple[Span, VideoSample]]:
    """Films of the pictures of each stretch; the file is open until the last one."""
    with forward(sample.source) as film:
        for span in wanted:
            first, end = np.searchsorted(sample.timestamps, [span.start_s, span.end_s]).tolist()
            if first < end:
                times = sample.timestamps[first:end] - sample.timestamps[first]
                source = Stretch(film, first, end - 1)
                yield span, VideoSample(source, end - first, sample.fps, times, clips=FILM_CLIPS)


CUTTERS: Mapping[type, Callable[[Any, Iterable[Span]], Iterator[tuple[Span, Sample]]]] = MappingProxyType(
    {AudioSample: _audio, VideoSample: _video, ImuSample: _imu}
)


def _each(prepare: Prepare, sample: Sample, wanted: Sequence[Span]) -> Iterator[Prepared]:
    for span, part in CUTTERS[type(sample)](sample, wanted):
        try:
            views = prepare(part)
        except MediaError:
            continue
        yield Prepared(span, views)


def prepared(prepare: Prepare, sample: Sample, wanted: Sequence[Span]) -> list[Prepared] | Iterator[Prepared]:
    """The segments of a sample with their views, without those that are silent or cannot be read.

    Those of a film are made as they are asked for, since they are large; those of a sound are a list, since
    the sound is large.
    """
    if not wanted or type(sample) not in CUTTERS:
        return []
    each = _each(prepare, sample, wanted)
    return each if isinstance(sample, VideoSample) else list(each)
