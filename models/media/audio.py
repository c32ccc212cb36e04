"""Sound files -> AudioSample: mono, 16 kHz, float32."""

from collections.abc import Iterator

import numpy as np

from models.errors import MediaError, MediaTooLargeError
from models.media import formats
from models.media.lengths import refuse_truncated
from models.media.limits import Limits
from models.media.resampling import Resampler
from models.media.sound import LIBAV_NAMES, SOUNDFILE_FORMATS, Sound, open_sound
from models.samples import AUDIO_RATE_HZ, AudioSample, Float32

WANTED = "WAV, FLAC, OGG (Vorbis, Opus), MP3, M4A/AAC sounds and the sound tracks of MP4, MOV, WebM, MKV"
# One frame of the spectrograms that follow: 25 ms.
SHORTEST_SAMPLES = 400
HIGHEST_RATE_HZ = 768_000
# Encoders of frames fill up the first and the last one: two of MP3's at 8 kHz.
PADDING_S = 0.29
# Decoders of Vorbis, MP3 and AAC overshoot: real recordings reach 1.5. Beyond this the unit is another.
HIGHEST_PEAK = 2.0


def _check_header(sound: Sound, limits: Limits) -> None:
    if sound.channels > limits.channels:
        raise MediaTooLargeError(
            f"the sound has {sound.channels} channels; at most {limits.channels} are accepted"
        )
    if not 0 < sound.rate <= HIGHEST_RATE_HZ:
        raise MediaError(f"the sampling rate is {sound.rate} Hz; accepted is up to {HIGHEST_RATE_HZ} Hz")
    _check_duration(sound.claimed / sound.rate, limits)
    _check_samples(sound.claimed * sound.channels, limits)


def _check_duration(seconds: float, limits: Limits) -> None:
    if seconds > limits.audio_s + PADDING_S:
        raise MediaTooLargeError(
            f"the sound lasts {round(seconds, 2):.10g} s or more; at most {limits.audio_s:g} s are accepted"
        )


def _check_samples(count: int, limits: Limits) -> None:
    if count > limits.samples:
        raise MediaTooLargeError(
            f"the sound has {count} samples or more in all its channels; "
            f"at most {limits.samples} are accepted"
        )


def _averaged(block: Float32) -> Float32:
    """(T, channels) -> (T,). Turned first: numpy takes ten times as long along the short axis."""
    if block.shape[1] == 1:
        return block[:, 0]
    mono: Float32 = np.ascontiguousarray(block.T).mean(axis=0, dtype=np.float32)
    return mono


def _mono(sound: Sound, limits: Limits) -> Iterator[Float32]:
    """Block by block, channels averaged, counted while reading: a header may claim less than follows."""
    count = 0
    for block in sound.blocks:
        count += len(block)
        _check_duration(count / sound.rate, limits)
        _check_samples(count * sound.channels, limits)
        mono = _averaged(block)
        if not np.isfinite(mono).all():
            raise MediaError("the sound holds values that are not finite (NaN or infinity)")
        yield mono


def _at_16k(sound: Sound, limits: Limits) -> Float32:
    """The sound at 16 kHz; a second copy of it, or a long one at its own rate, is never held.

    An overshoot stays, as in the reference; floats in another unit are turned down to a peak of 1.
    """
    resampler, held, peak = Resampler(sound.rate), bytearray(), 0.0
    for mono in _mono(sound, limits):
        peak = max(peak, float(np.abs(mono).max(initial=0.0)))
        for piece in resampler.feed(mono):
            held += piece.tobytes()
    for piece in resampler.finish():
        held += piece.tobytes()
    waveform = np.frombuffer(held, np.float32)
    if peak >= HIGHEST_PEAK:
        waveform /= np.float32(peak)
    return waveform


def decode_audio(data: bytes, limits: Limits, *, clips: int | None = None) -> AudioSample:
    """Any rate and number of channels; `clips`: how many to hear (None: the model's default).

    Raises UnsupportedMediaError for other formats, MediaTooLargeError for too long a sound, and
    MediaError with code `too_short` (under 25 ms) or `truncated_media`.
    """
    found = formats.expect(data, (*SOUNDFILE_FORMATS, *LIBAV_NAMES), WANTED)
    refuse_truncated(data, found)
    with open_sound(data, found) as sound:
        _check_header(sound, limits)
        waveform = _at_16k(sound, limits)
    if len(waveform) < SHORTEST_SAMPLES:
        raise MediaError(
            f"the sound has {len(waveform)} samples at 16 kHz; at least {SHORTEST_SAMPLES} "
            f"({SHORTEST_SAMPLES * 1000 // AUDIO_RATE_HZ} ms) are needed",
            code="too_short",
        )
    return AudioSample(waveform, clips)
