"""What files may claim or consist of: refused by headers and counts, before memory or time is spent."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from models.errors import MediaError, MediaTooLargeError
from models.media import image as image_module
from models.media import resampling
from models.media.limits import DEFAULT_LIMITS, Limits
from models.modalities import decode
from tests import media_files as make


def jpeg_with(front):
    plain = make.jpeg()
    return plain[:2] + front + plain[2:]


def jpeg_scans(count):
    """A progressive JPEG whose last scan comes `count` times more."""
    buffer = io.BytesIO()
    Image.fromarray(make.gradient(64, 48)).save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    last = data.rfind(b"\xff\xda")
    return data[:-2] + data[last:-2] * count + data[-2:]


def png_with(chunks):
    plain = make.png()
    return plain[:33] + chunks + plain[33:]


def gif_with(extensions):
    plain = make.picture_bytes(make.gradient(16, 12), "GIF")
    start = 13 + (3 << ((plain[10] & 7) + 1))
    return plain[:start] + extensions + plain[start:]


def tiff_of_strips(count):
    """A grey TIFF one pixel wide, a strip for each row."""
    fields = [(256, 4, 1, 1), (257, 4, 1, count), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1),
              (273, 4, count, 122), (277, 3, 1, 1), (278, 4, 1, 1), (279, 4, count, 122)]  # fmt: skip
    packed = b"".join(struct.pack("<HHII", *each) for each in fields)
    head = b"II*\0" + struct.pack("<IH", 8, len(fields)) + packed + bytes(4)
    return head + struct.pack("<I", 1) * count


@pytest.mark.parametrize(
    "data",
    [
        jpeg_with(b"\xff\xe0\0\2" * 3_000),
        jpeg_with(b"\xff" * 3_000),
        jpeg_with((b"\xff\xe1\xff\xff" + b"Exif\0\0" + bytes(65_527)) * 130),
        jpeg_scans(100),
        png_with(make.png_chunk(b"abCd", b"") * 21_000),
        gif_with(b"\x21\xfe\x01a\0" * 21_000),
        tiff_of_strips(120_000),
    ],
    ids=["segments", "filled", "header", "scans", "chunks", "extensions", "strips"],
)
def test_pictures_of_too_many_pieces_are_refused(data):
    """Millions of empty pieces fit into a request, and Pillow would take minutes over them."""
    with pytest.raises(MediaTooLargeError, match="more than"):
        decode("image", data)


@pytest.mark.parametrize(
    "data",
    [
        jpeg_with(b"\xff\xe0\0\2" * 100 + b"\xff" * 10),
        jpeg_scans(10),
        jpeg_with(b"") + b"\xff\xda" * 500,
        png_with(make.png_chunk(b"abCd", b"") * 100),
        gif_with(b"\x21\xfe\x01a\0" * 100),
    ],
    ids=["segments", "scans", "appended", "chunks", "extensions"],
)
def test_pictures_of_many_pieces_are_read(data):
    """A hundred segments, ten scans, and whatever a phone appends behind the picture."""
    assert decode("image", data).pixels.size


@pytest.mark.parametrize("kind", ["VP8L", "VP8 "])
def test_the_size_of_a_webp_counts_before_its_canvas_is_made(kind):
    """Lossless and lossy headers are read without Pillow, which would allocate first."""
    data = bytearray(make.picture_bytes(make.gradient(16, 12), "WEBP", lossless=kind == "VP8L"))
    assert data[12:16] == kind.encode()
    if kind == "VP8L":
        data[21:25] = struct.pack("<I", 0x0FFFFFFF)
    else:
        data[26:30] = struct.pack("<HH", 0x3FFF, 0x3FFF)
    with pytest.raises(MediaTooLargeError, match=r"1638[34] x 1638[34]"):
        decode("image", bytes(data))


@pytest.mark.parametrize("modality", ["depth", "thermal"])
@pytest.mark.parametrize("file", [make.depth_png(64, 48), make.depth_npy(64, 48)])
def test_maps_are_computed_with_in_floats_and_so_have_a_limit_of_their_own(modality, file):
    """A picture of this size may be larger; a map may not, whatever its format."""
    with pytest.raises(MediaTooLargeError, match="at most 3000"):
        decode(modality, file, limits=Limits(map_pixels=3000))
    assert decode(modality, file, limits=Limits(map_pixels=64 * 48))
    assert decode("image", make.png(64, 48), limits=Limits(map_pixels=3000))


@pytest.mark.parametrize(
    "pixels",
    [
        make.gradient(61, 47),
        make.depth_mm(61, 47),
        make.depth_mm(61, 47).astype(np.int32) * 100,
        make.depth_mm(61, 47).astype(np.float32) / 5000,
        Image.fromarray(make.gradient(61, 47)).convert("P"),
        Image.fromarray(make.gradient(61, 47)).convert("CMYK"),
        Image.fromarray(make.gradient(61, 47)).convert("1"),
    ],
    ids=["RGB", "I;16", "I", "F", "P", "CMYK", "1"],
)
def test_a_picture_in_bands_is_the_same_picture(pixels, monkeypatch):
    """Converting band by band, to hold less, changes no pixel."""
    data = make.picture_bytes(pixels, "TIFF")
    whole = decode("image", data).pixels
    monkeypatch.setattr(image_module, "BAND_PIXELS", 61 * 5)
    assert np.array_equal(decode("image", data).pixels, whole)


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"])
def test_rows_of_a_table_are_counted_whatever_ends_them(ending):
    """Old line ends are line ends: for the rows that are read and for their limit."""
    table = make.imu_csv(20).replace(b"\n", ending)
    assert len(decode("imu", table, limits=Limits(rows=20)).values) == 20
    with pytest.raises(MediaTooLargeError, match="at most 19"):
        decode("imu", table, limits=Limits(rows=19))


@pytest.mark.parametrize("place", ["header", "row"])
def test_a_line_of_a_million_columns_is_refused(place):
    """By its length, before it is taken apart."""
    header, row, *_ = make.imu_csv(2, time=False).split(b"\n")
    wide = {"header": [header + b",a" * 1_000_000, row], "row": [header, row + b"," * 1_000_000]}[place]
    with pytest.raises(MediaTooLargeError, match="65536 characters"):
        decode("imu", b"\n".join(wide), sample_rate=50)


def test_rows_of_an_array_have_the_limit_of_a_table():
    """Movement as `.npy` may not be longer than as CSV."""
    with pytest.raises(MediaTooLargeError, match="at most 19"):
        decode("imu", make.npy(make.imu_values(20)), sample_rate=50, limits=Limits(rows=19))


@pytest.mark.parametrize("file", [make.wav(1.0, channels=2), make.mp3(1.0), make.opus(1.0)])
def test_samples_are_counted_over_all_channels(file):
    """Seconds alone say little: silence packs into nothing, at any rate and in many channels."""
    with pytest.raises(MediaTooLargeError, match="at most 9000"):
        decode("audio", file, limits=Limits(samples=9000))


@pytest.mark.parametrize("rate", [7, 8_000, 44_100, 48_000])
def test_sounds_in_blocks_are_resampled_as_in_one_go(rate, monkeypatch):
    """Blocks of any length and chunks of any number give the same samples."""
    monkeypatch.setattr(resampling, "CHUNK_S", 1)
    signal = np.random.default_rng(0).standard_normal(rate * 5 + 3).astype(np.float32)
    resampler, pieces = resampling.Resampler(rate), []
    for start in range(0, len(signal), 1000):
        pieces += resampler.feed(signal[start : start + 1000])
    pieces += resampler.finish()
    monkeypatch.setattr(resampling, "CHUNK_S", 60)
    whole = resampling.resample_to_16k(signal, rate)
    assert np.abs(np.concatenate(pieces) - whole).max() < 1e-5


def test_frames_that_nobody_sees_have_to_be_decoded_and_are_counted():
    """A long film with a single key frame costs all that lies before the frame that is wanted."""
    film = make.mp4(24, 64, 48)
    assert decode("video", film, limits=Limits(decoded_pixels=24 * 64 * 48)).frames([0, 23]).shape[0] == 2
    short = decode("video", film, limits=Limits(decoded_pixels=20 * 64 * 48))
    assert short.frames([0, 10]).shape[0] == 2
    with pytest.raises(MediaTooLargeError, match="key frames"):
        short.frames([0, 23])


def test_frames_come_one_by_one_as_they_come_together():
    """What models look at is not held all at once; the pixels are the same."""
    film = decode("video", make.mp4(12, 64, 48))
    numbers = [0, 3, 11]
    assert np.array_equal(np.stack(list(film.each(numbers))), film.frames(numbers))
    with pytest.raises(MediaError, match="frames 0 to 11"):
        next(film.each([12]))


def test_text_of_a_png_cannot_unpack_without_end():
    """Compressed text beside a picture is bounded by Pillow."""
    packed = make.png_chunk(b"zTXt", b"key\0\0" + zlib.compress(bytes(2_000_000)))
    with pytest.raises(MediaError):
        decode("image", png_with(packed * 60))


def test_the_default_limits_keep_a_decoded_picture_below_the_growth_that_is_promised():
    """Four bytes a pixel as Pillow holds it, three as the sample does; a map takes some 24."""
    assert DEFAULT_LIMITS.pixels * (4 + 3) < 512 << 20
    assert DEFAULT_LIMITS.map_pixels * 24 < 512 << 20
