"""Small real media files, made on the spot: what the tests of decoders and of the HTTP service send."""

import io
import struct
import zlib
from fractions import Fraction

import av
import numpy as np
import soundfile
from PIL import Image

MP4_CODECS = {"mp4": ("libx264", "aac"), "mov": ("libx264", "aac"), "webm": ("libvpx-vp9", "libopus"),
              "matroska": ("libx264", "libopus")}  # fmt: skip


def tone(seconds=1.0, hz=440.0, rate=16_000, channels=1, level=0.5):
    """Float32 (samples, channels) of one sine, the same in every channel."""
    times = np.arange(round(seconds * rate)) / rate
    wave = (level * np.sin(2 * np.pi * hz * times)).astype(np.float32)
    return np.repeat(wave[:, None], channels, axis=1)


def sound_bytes(samples, rate, container, subtype=None):
    """(samples, channels) as a file of any container of libsndfile."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=container, subtype=subtype)
    return buffer.getvalue()


def wav(seconds=1.0, hz=440.0, rate=16_000, channels=1, subtype="PCM_16"):
    return sound_bytes(tone(seconds, hz, rate, channels), rate, "WAV", subtype)


def wav_of(samples, rate=16_000, subtype="FLOAT"):
    """A WAV of exactly these samples, (samples,) or (samples, channels)."""
    return sound_bytes(np.asarray(samples), rate, "WAV", subtype)


def flac(seconds=1.0, hz=440.0, rate=16_000, channels=1):
    return sound_bytes(tone(seconds, hz, rate, channels), rate, "FLAC")


def ogg(seconds=1.0, hz=440.0, rate=16_000, channels=1):
    return sound_bytes(tone(seconds, hz, rate, channels), rate, "OGG", "VORBIS")


def opus(seconds=1.0, hz=440.0, rate=48_000, channels=1):
    return sound_bytes(tone(seconds, hz, rate, channels), rate, "OGG", "OPUS")


def mp3(seconds=1.0, hz=440.0, rate=44_100, channels=1):
    return sound_bytes(tone(seconds, hz, rate, channels), rate, "MP3", "MPEG_LAYER_III")


def _add_sound(container, codec, samples, rate):
    stream = container.add_stream(codec, rate=rate)
    stream.bit_rate = 192_000
    stream.layout = "mono" if samples.shape[1] == 1 else "stereo"
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T), "fltp", stream.layout.name)
    frame.sample_rate = rate
    frame.time_base = Fraction(1, rate)
    frame.pts = 0
    return stream, frame


def _mux_sound(container, stream, frame):
    resampler = av.AudioResampler(format=stream.format, layout=stream.layout, rate=stream.rate)
    for converted in [*resampler.resample(frame), *resampler.resample(None)]:
        container.mux(stream.encode(converted))
    container.mux(stream.encode(None))


def coded_sound(container_format, codec, *, seconds=1.0, hz=440.0, rate=44_100, channels=1):
    """A tone in any container and codec of libav."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container_format) as container:
        _mux_sound(container, *_add_sound(container, codec, tone(seconds, hz, rate, channels), rate))
    return buffer.getvalue()


def m4a(seconds=1.0, hz=440.0, rate=44_100, channels=1):
    return coded_sound("mp4", "aac", seconds=seconds, hz=hz, rate=rate, channels=channels)


def aac(seconds=1.0, hz=440.0, rate=44_100, channels=1):
    """Bare AAC frames (ADTS), without a container."""
    return coded_sound("adts", "aac", seconds=seconds, hz=hz, rate=rate, channels=channels)


def surround(container_format="matroska", codec="flac", seconds=1.0, hz=440.0):
    """A tone in 8 channels (7.1)."""
    frame = av.AudioFrame(format="flt", layout="7.1", samples=round(seconds * 48_000))
    frame.planes[0].update(tone(seconds, hz, 48_000, 8).tobytes())
    frame.sample_rate, frame.pts, frame.time_base = 48_000, 0, Fraction(1, 48_000)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container_format) as container:
        stream = container.add_stream(codec, rate=48_000)
        stream.layout, stream.bit_rate = "7.1", 1_000_000
        resampler = av.AudioResampler(format=stream.format, layout="7.1", rate=48_000, frame_size=1024)
        for converted in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(converted))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def flac_header(total_samples, rate=16_000, channels=1):
    """A FLAC that ends after its STREAMINFO block; `total_samples` is only a claim (0: unknown)."""
    packed = (rate << 44) | ((channels - 1) << 41) | (15 << 36) | total_samples
    info = struct.pack(">HH", 4096, 4096) + bytes(6) + packed.to_bytes(8, "big") + bytes(16)
    return b"fLaC" + b"\x80\x00\x00\x22" + info


def flac_header_12_hours():
    return flac_header(12 * 3600 * 16_000)


def png_chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_header(width, height):
    """A PNG that claims a size and holds next to nothing."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = (
        png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(bytes(16))) + png_chunk(b"IEND", b"")
    )
    return b"\x89PNG\r\n\x1a\n" + chunks


def gradient(width=64, height=48):
    """RGB uint8 (height, width, 3): red grows to the right, green downwards."""
    pixels = np.full((height, width, 3), 128, np.uint8)
    pixels[..., 0] = np.linspace(0, 255, width, dtype=np.uint8)[None, :]
    pixels[..., 1] = np.linspace(0, 255, height, dtype=np.uint8)[:, None]
    return pixels


def picture_bytes(pixels, container="PNG", **options):
    """A uint8, uint16, int32 or float32 array, or a PIL image, as a file of any container of Pillow."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    buffer = io.BytesIO()
    image.save(buffer, container, **options)
    return buffer.getvalue()


def png(width=64, height=48):
    return picture_bytes(gradient(width, height))


def jpeg(width=64, height=48, **options):
    return picture_bytes(gradient(width, height), "JPEG", **options)


def jpeg_turned(orientation, width=64, height=48):
    """A JPEG of `gradient` with an EXIF orientation (1..8)."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return jpeg(width, height, exif=exif, quality=95)


def video_bytes(
    container_format="mp4", *, frames=12, width=64, height=48, fps=24, sound_s=None, key_every=250
):
    """A bright bar wandering to the right, one step a frame; with a 440 Hz tone where `sound_s` is given."""
    codec, sound_codec = MP4_CODECS[container_format]
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container_format) as container:
        stream = container.add_stream(codec, rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.gop_size = key_every
        sound = _add_sound(container, sound_codec, tone(sound_s, 440.0, 48_000), 48_000) if sound_s else None
        for number in range(frames):
            pixels = gradient(width, height)
            pixels[:, number * width // frames :][:, :4] = 255
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        container.mux(stream.encode(None))
        if sound:
            _mux_sound(container, *sound)
    return buffer.getvalue()


def mp4(frames=12, width=64, height=48, fps=24, sound_s=None):
    return video_bytes("mp4", frames=frames, width=width, height=height, fps=fps, sound_s=sound_s)


def webm(frames=12, width=64, height=48, fps=24, sound_s=None):
    return video_bytes("webm", frames=frames, width=width, height=height, fps=fps, sound_s=sound_s)


def npy(array, *, allow_pickle=False):
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=allow_pickle)
    return buffer.getvalue()


def npy_pickled():
    """An `.npy` that holds Python objects, hence a pickle."""
    return npy(np.array([{"a": 1}], dtype=object), allow_pickle=True)


def npy_header(shape, descr="<f4"):
    """An `.npy` that claims a shape and holds no values."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": descr, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def imu_values(samples=100, rate=50.0):
    """Float64 (samples, 6): gravity on z with a 2 Hz swing, and a slow turn."""
    times = np.arange(samples) / rate
    swing = np.sin(2 * np.pi * 2 * times)
    still = np.zeros(samples)
    return np.stack([swing, still, 9.81 + 0.1 * swing, 0.5 * swing, still, 0.1 + still], axis=1)


def imu_csv(samples=100, rate=50.0, *, time=True, columns=None, values=None):
    """A CSV recording; `columns` renames the six channels, `time=False` leaves the time column out."""
    values = imu_values(samples, rate) if values is None else np.asarray(values, float)
    names = list(columns or ("accel_x", "accel_y", "accel_z", "gyro_x", "gyro_y", "gyro_z"))
    rows = [[f"{value:.6f}" for value in row] for row in values]
    if time:
        names = ["timestamp", *names]
        rows = [[f"{number / rate:.6f}", *row] for number, row in enumerate(rows)]
    return "\n".join(",".join(row) for row in [names, *rows]).encode() + b"\n"


def depth_mm(width=64, height=48):
    """Uint16 (height, width) millimetres: a floor from 0.5 m to 4 m, one corner without a reading."""
    depth = np.repeat(np.linspace(500, 4000, height).astype(np.uint16)[:, None], width, axis=1)
    depth[:4, :4] = 0
    return depth


def depth_png(width=64, height=48):
    return picture_bytes(depth_mm(width, height))


def depth_npy(width=64, height=48):
    """Float32 metres."""
    return npy(depth_mm(width, height).astype(np.float32) / 1000)


def thermal_counts(width=64, height=48, coldest_c=15.0, warmest_c=36.0):
    """Uint16 (height, width) hundredths of a kelvin, growing to the right."""
    kelvin = np.linspace(coldest_c + 273.15, warmest_c + 273.15, width)
    return np.repeat(np.round(kelvin * 100).astype(np.uint16)[None, :], height, axis=0)


def thermal16_png(width=64, height=48, coldest_c=15.0, warmest_c=36.0):
    return picture_bytes(thermal_counts(width, height, coldest_c, warmest_c))


def thermal8_png(width=64, height=48):
    return picture_bytes(gradient(width, height)[..., 0])


def noise(size=4096, seed=7):
    """Bytes that are no file at all."""
    return b"\x00\x13" + np.random.default_rng(seed).bytes(size)
