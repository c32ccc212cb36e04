"""Sounds: bytes -> AudioSample, mono float32 at 16 kHz."""

import io
import struct
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from torchaudio.functional import resample

from models.errors import MediaError, MediaTooLargeError, UnsupportedMediaError
from models.media import formats, resampling
from models.media.limits import Limits
from models.media.sound import BLOCK_SAMPLES, LIBAV_NAMES, LONGEST_FRAME, open_sound
from models.modalities import decode
from tests import media_files as make

PROCEDURAL = Path(__file__).parent / "parity" / "inputs_procedural.npz"

ENCODERS = {
    "wav": make.wav,
    "wav 44.1 kHz stereo": lambda: make.wav(rate=44_100, channels=2),
    "wav 24 bit": lambda: make.wav(subtype="PCM_24"),
    "wav 8 bit": lambda: make.wav(subtype="PCM_U8"),
    "wav float": lambda: make.wav(subtype="FLOAT"),
    "wav mu-law": lambda: make.wav(rate=8_000, subtype="ULAW"),
    "flac": make.flac,
    "flac 96 kHz": lambda: make.flac(rate=96_000),
    "ogg": make.ogg,
    "opus": make.opus,
    "mp3": make.mp3,
    "mp3 22.05 kHz stereo": lambda: make.mp3(rate=22_050, channels=2),
    "m4a": make.m4a,
    "m4a stereo": lambda: make.m4a(channels=2),
    "mp4 sound track": lambda: make.mp4(sound_s=1.0),
    "webm": lambda: make.coded_sound("webm", "libopus", rate=48_000),
    "mkv 7.1": make.surround,
    "webm 7.1": lambda: make.surround("webm", "libopus"),
    "mkv": lambda: make.coded_sound("matroska", "flac", rate=32_000),
}


def loudest_hz(waveform):
    spectrum = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform))))
    return np.argmax(spectrum) * 16_000 / len(waveform)


@pytest.mark.parametrize("name", ENCODERS)
def test_a_tone_keeps_its_pitch_level_and_length(name):
    """One second of 440 Hz at half scale comes out of every format as just that."""
    waveform = decode("audio", ENCODERS[name]()).waveform
    assert abs(len(waveform) - 16_000) <= 1
    assert loudest_hz(waveform) == pytest.approx(440, abs=1)
    assert np.sqrt(np.mean(waveform[2000:-2000] ** 2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)


def test_bare_aac_is_read():
    """AAC without a container decodes, with the encoder's delay, as nothing tells its length."""
    waveform = decode("audio", make.aac()).waveform
    assert 16_000 <= len(waveform) <= 17_000
    assert loudest_hz(waveform[1000:15_000]) == pytest.approx(440, abs=2)


def test_sixteen_bit_samples_are_divided_by_32768():
    """At 16 kHz nothing touches the samples but that division."""
    counts = np.random.default_rng(1).integers(-32_768, 32_768, 1000).astype(np.int16)
    waveform = decode("audio", make.wav_of(counts, subtype="PCM_16")).waveform
    assert np.array_equal(waveform, counts.astype(np.float32) / 32_768)


def test_channels_are_averaged():
    """A stereo file becomes the mean of both channels."""
    both = np.stack([make.tone(hz=300)[:, 0], make.tone(hz=700)[:, 0]], axis=1)
    waveform = decode("audio", make.wav_of(both)).waveform
    assert np.allclose(waveform, both.mean(axis=1), atol=1e-7)


def test_stereo_of_the_reference_resamples_to_the_mean_of_its_channels():
    """Mixing before resampling equals the reference's resampled channels, averaged, within 1e-6."""
    arrays = np.load(PROCEDURAL)
    data = make.wav_of(arrays["audio/pcm16_stereo_44k1_2p61s"], 44_100, "PCM_16")
    expected = arrays["audio/resampled_stereo_44k1_2p61s"].mean(axis=0)
    assert np.abs(decode("audio", data).waveform - expected).max() < 1e-6


def test_each_channel_of_the_reference_resamples_alike():
    """A mono file gives the reference's waveform within 1e-6."""
    arrays = np.load(PROCEDURAL)
    for channel in (0, 1):
        data = make.wav_of(arrays["audio/pcm16_stereo_44k1_2p61s"][:, channel], 44_100, "PCM_16")
        expected = arrays["audio/resampled_stereo_44k1_2p61s"][channel]
        assert np.abs(decode("audio", data).waveform - expected).max() < 1e-6


@pytest.mark.parametrize("rate", [8_000, 11_025, 44_100, 48_000, 22_050])
def test_resampling_in_chunks_equals_resampling_at_once(rate, monkeypatch):
    """Chunks of a second give what torchaudio gives for the whole."""
    signal = np.random.default_rng(rate).standard_normal(int(3.37 * rate)).astype(np.float32)
    monkeypatch.setattr(resampling, "CHUNK_S", 1)
    whole = resample(torch.from_numpy(signal), rate, 16_000).numpy()
    chunked = resampling.resample_to_16k(signal, rate)
    assert chunked.shape == whole.shape
    assert np.abs(chunked - whole).max() < 1e-6


@pytest.mark.parametrize("rate", [11_127, 44_101, 767_999])
def test_a_rate_without_common_divisors_needs_no_giant_filter(rate):
    """Odd rates keep the pitch; the filter stays small because the rate is rounded a little."""
    waveform = decode("audio", make.wav(rate=rate)).waveform
    assert len(waveform) == pytest.approx(16_000, rel=2e-3)
    assert loudest_hz(waveform) == pytest.approx(440, abs=2)


def test_floats_far_beyond_full_scale_are_turned_down():
    """A float file that is not in units of full scale keeps its shape and gets a peak of 1."""
    loud = make.tone(level=4.0)[:, 0]
    waveform = decode("audio", make.wav_of(loud)).waveform
    assert np.allclose(waveform, loud / np.abs(loud).max(), atol=1e-6)


def test_a_small_overshoot_is_kept():
    """A peak a little above full scale, as lossy codecs leave it, changes the loudness of nothing."""
    loud = make.tone(level=1.2)[:, 0]
    waveform = decode("audio", make.wav_of(loud)).waveform
    assert np.array_equal(waveform, loud)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(value):
    """One NaN or infinity in a float WAV is an error, not a vector of NaN."""
    wave = make.tone()[:, 0]
    wave[100] = value
    with pytest.raises(MediaError, match="not finite"):
        decode("audio", make.wav_of(wave))


@pytest.mark.parametrize("samples", [1, 399])
def test_less_than_25_ms_is_too_short(samples):
    """Fewer samples than one spectrogram frame are refused, with what is needed."""
    with pytest.raises(MediaError, match="at least 400") as caught:
        decode("audio", make.wav(samples / 16_000))
    assert caught.value.code == "too_short"


def test_25_ms_is_enough():
    """400 samples are accepted."""
    assert len(decode("audio", make.wav(0.025)).waveform) == 400


def test_twelve_hours_claimed_by_a_header_are_refused():
    """The FLAC header's number of samples is enough to refuse, though no sample follows."""
    with pytest.raises(MediaTooLargeError, match="43200 s"):
        decode("audio", make.flac_header_12_hours())


def test_a_header_that_knows_no_length_is_counted_while_reading():
    """A FLAC without a total is cut off at the limit, not before and not after."""
    data = bytearray(make.flac(2.0))
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    assert len(decode("audio", bytes(data)).waveform) == 32_000
    with pytest.raises(MediaTooLargeError, match=r"at most 1\.5 s"):
        decode("audio", bytes(data), limits=Limits(audio_s=1.5))


@pytest.mark.parametrize("encode", [make.wav, make.ogg, make.mp3, make.m4a])
def test_the_duration_limit_holds_in_every_container(encode):
    """Two seconds over a limit of one are too large."""
    with pytest.raises(MediaTooLargeError):
        decode("audio", encode(2.0), limits=Limits(audio_s=1.0))


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
@pytest.mark.parametrize("encode", [make.mp3, make.m4a])
def test_what_an_encoder_fills_up_does_not_count(encode, rate):
    """A sound as long as may be is accepted, however its frames are padded; half a second more is not."""
    limits = Limits(audio_s=2.0)
    assert decode("audio", encode(2.0, rate=rate), limits=limits).waveform.size >= 32_000
    with pytest.raises(MediaTooLargeError, match="at most 2 s"):
        decode("audio", encode(2.5, rate=rate), limits=limits)


def test_too_many_channels_are_refused():
    """The channel cap is enforced by the header."""
    with pytest.raises(MediaTooLargeError, match="33 channels"):
        decode("audio", make.wav(0.1, channels=33))


@pytest.mark.parametrize("encode", [make.wav, make.flac, make.ogg, make.opus, make.mp3, make.m4a])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.97])
def test_a_cut_off_file_is_truncated_media(encode, share):
    """Whatever part is missing at the end, the error's code says truncated."""
    data = encode()
    with pytest.raises(MediaError) as caught:
        decode("audio", data[: int(len(data) * share)])
    assert caught.value.code == "truncated_media"


def test_a_wav_that_was_streamed_may_leave_its_length_open():
    """Programs that pipe WAV write the largest size; it means until the end."""
    data = bytearray(make.wav())
    place = data.find(b"data") + 4
    data[place : place + 4] = data[4:8] = struct.pack("<I", 0xFFFFFFFF)
    assert len(decode("audio", bytes(data)).waveform) == 16_000


def test_a_playlist_is_never_followed():
    """What libav would take for a playlist with file names is not even opened."""
    with pytest.raises(UnsupportedMediaError, match="WAV, FLAC, OGG"):
        decode("audio", b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n")


def test_a_film_without_sound_has_nothing_to_hear():
    """A silent video sent as audio is an unsupported medium, and the message says why."""
    with pytest.raises(UnsupportedMediaError, match="no sound track"):
        decode("audio", make.webm())


def test_clips_are_handed_on():
    """The number of clips to hear travels with the sample, as number or as a form's string."""
    assert decode("audio", make.wav(), clips="2").clips == 2
    assert decode("audio", make.wav()).clips is None


def test_silence_is_a_sound():
    """All-zero samples decode to zeros."""
    assert not decode("audio", make.wav_of(np.zeros(1600, np.float32))).waveform.any()


@pytest.mark.parametrize("make_file", [make.mp3, make.m4a, make.aac])
def test_frames_that_are_converted_together_keep_their_samples(make_file):
    """Eight seconds, several blocks: every sample that libav decodes frame by frame, in order."""
    data = make_file(8.0)
    found = formats.recognise(data)
    with open_sound(data, found) as sound:
        got = np.concatenate(list(sound.blocks))
    with av.open(io.BytesIO(data), format=LIBAV_NAMES[found]) as container:
        frames = [frame.to_ndarray()[0] for frame in container.decode(container.streams.audio[0])]
    wanted = np.concatenate(frames)
    assert len(wanted) > 4 * BLOCK_SAMPLES
    assert 0 <= len(wanted) - len(got) < LONGEST_FRAME  # MP4 tells where its padding begins
    assert np.array_equal(got[:, 0], wanted[: len(got)])
