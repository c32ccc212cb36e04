"""Sound files as a stream of blocks: libsndfile for plain sounds, libav for MP3 and the containers of film.

A block is float32 (samples, channels); integers are divided by their full scale (16 bit: 32768).
"""

import io
from collections.abc import Generator, Iterable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from itertools import chain

import av
import numpy as np
import soundfile
from av.container import InputContainer

from models.errors import MediaError, UnsupportedMediaError
from models.media import formats
from models.media.lengths import truncated
from models.media.mp3 import BLOCK_SAMPLES, PlainMP3, plain_mp3
from models.samples import Float32

SOUNDFILE_FORMATS = (formats.WAV, formats.FLAC, formats.OGG)
# libsndfile reads MP3 too, to the same samples, but writes each fault of a file to stderr.
LIBAV_NAMES = {
    formats.MP3: "mp3",
    formats.AAC: "aac",
    formats.FLAC: "flac",
    formats.MP4: "mp4",
    formats.MATROSKA: "matroska",
}
FLAC_TOTAL_SAMPLES = slice(21, 26)
# Samples in a frame of HE-AAC, the longest of the common codecs.
LONGEST_FRAME = 2048
MANY_CHANNELS = 8

# libav prints to stderr what it finds wrong; the exceptions say it already.
av.logging.set_level(av.logging.PANIC)


@dataclass(frozen=True)
class Sound:
    """An opened sound: `rate` [Hz], `claimed` samples per channel by the header (0: unknown), its blocks."""

    rate: int
    channels: int
    claimed: int
    blocks: Iterator[Float32]


def _soundfile_blocks(file: soundfile.SoundFile) -> Iterator[Float32]:
    count = 0
    try:
        while len(block := file.read(BLOCK_SAMPLES, dtype="float32", always_2d=True)):
            count += len(block)
            yield block
    except soundfile.LibsndfileError as error:
        raise truncated(f"the sound is truncated or damaged: it breaks off after {count} samples") from error
    if count < file.frames:
        raise truncated(f"the sound is truncated: {count} of {file.frames} samples are there")


@contextmanager
def _open_soundfile(data: bytes) -> Iterator[Sound]:
    with soundfile.SoundFile(io.BytesIO(data)) as file:
        yield Sound(int(file.samplerate), int(file.channels), int(file.frames), _soundfile_blocks(file))


def _merged(frames: Iterable[av.AudioFrame]) -> Iterator[av.AudioFrame]:
    """Frames of BLOCK_SAMPLES or a little more, each in one format.

    To convert every frame of an MP3 by itself takes longer than to decode it. Frames of MANY_CHANNELS pass as
    they are: PyAV's tables of planes end there.
    """
    fifo, form = av.AudioFifo(), None
    for frame in frames:
        before, form = form, (frame.layout.name, frame.format.name, frame.sample_rate)
        full = form != before or fifo.samples >= BLOCK_SAMPLES
        if full and (merged := fifo.read()) is not None:
            yield merged
        if frame.layout.nb_channels >= MANY_CHANNELS:
            yield frame
            continue
        if form != before:
            fifo = av.AudioFifo()
        frame.pts = None  # gaps in time are no matter here
        fifo.write(frame)
    if (merged := fifo.read()) is not None:
        yield merged


def _interleave(frames: Iterable[av.AudioFrame], rate: int) -> Iterator[Float32]:
    """Frames of any sample format as blocks, by libav's own conversion.

    PyAV must not be asked for the planes of a planar frame: with 8 channels or more it reads past
    their end, and the process dies.
    """
    layout, resampler = None, None
    for frame in _merged(frames):
        if frame.sample_rate != rate:
            raise MediaError("the sound changes its sampling rate midway")
        if resampler is None or (frame.layout.name, frame.format.name) != layout:
            layout = frame.layout.name, frame.format.name
            resampler = av.AudioResampler(format="flt", layout=frame.layout, rate=rate)
        for packed in resampler.resample(frame):
            samples = np.asarray(packed.to_ndarray(), np.float32)
            yield samples.reshape(-1, packed.layout.nb_channels)


def _without_padding(blocks: Iterator[Float32], claimed: int) -> Iterator[Float32]:
    """An encoder fills its last frame up; MP4 tells the true length, which libav leaves to its caller."""
    count = 0
    for block in blocks:
        count += len(block)
        excess = count - claimed if claimed else 0
        yield block[: len(block) - excess] if 0 < excess < min(len(block), LONGEST_FRAME) else block


def open_container(data: bytes, found: str) -> InputContainer:
    """A file of one of LIBAV_NAMES; the format is given, so that libav guesses nothing."""
    return av.open(io.BytesIO(data), "r", format=LIBAV_NAMES[found], metadata_errors="ignore")


@contextmanager
def _open_libav(data: bytes, found: str) -> Iterator[Sound]:
    with open_container(data, found) as container:
        if not container.streams.audio:
            raise UnsupportedMediaError(f"the {found} file has no sound track")
        stream = container.streams.audio[0]
        frames = container.decode(stream)
        first = next(frames, None)
        if first is None:
            raise MediaError("the sound track is empty", code="empty_media")
        # The header of HE-AAC names half the rate and half the channels of what is decoded.
        rate = first.sample_rate
        claimed = round((stream.duration or 0) * (stream.time_base or 0) * rate)
        blocks = _interleave(chain([first], frames), rate)
        if found == formats.MP4:
            blocks = _without_padding(blocks, claimed)
        yield Sound(rate, first.layout.nb_channels, claimed, blocks)


@contextmanager
def _open_plain(mp3: PlainMP3) -> Iterator[Sound]:
    """Decoded at once when its first block is wanted; what is damaged inside frame by frame, to tell how."""

    def blocks() -> Generator[Float32]:
        decoded = mp3.blocks()
        if decoded is not None:
            yield from decoded
            return
        with _open_libav(mp3.data, formats.MP3) as sound:
            yield from sound.blocks

    with closing(blocks()) as made:
        yield Sound(mp3.rate, mp3.channels, mp3.samples, made)


def _lengthless_flac(data: bytes, found: str) -> bool:
    """A FLAC whose encoder did not know the number of samples, which libsndfile cannot read in blocks."""
    return found == formats.FLAC and int.from_bytes(data[FLAC_TOTAL_SAMPLES], "big") % (1 << 36) == 0


def open_sound(data: bytes, found: str) -> AbstractContextManager[Sound]:
    """A file of format `found`; of several sound tracks the first."""
    plain = plain_mp3(data) if found == formats.MP3 else None
    if plain is not None:
        return _open_plain(plain)
    if found in SOUNDFILE_FORMATS and not _lengthless_flac(data, found):
        return _open_soundfile(data)
    return _open_libav(data, found)
