"""Text and pictures: bytes -> TextSample and ImageSample."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.errors import MediaError, MediaTooLargeError, UnsupportedMediaError
from models.media.limits import Limits
from models.modalities import decode
from tests import media_files as make

PROCEDURAL = Path(__file__).parent / "parity" / "inputs_procedural.npz"


def test_text_keeps_every_character_but_the_byte_order_mark():
    """A text is its UTF-8, without the mark that some editors put in front."""
    assert decode("text", "Größe 猫 🐈".encode("utf-8-sig")).text == "Größe 猫 🐈"


def test_invalid_utf8_is_refused_with_the_place():
    """A message about broken UTF-8 names the byte and where it stands."""
    with pytest.raises(MediaError, match="byte 3 is 0xff") as caught:
        decode("text", b"abc\xff")
    assert caught.value.code == "invalid_utf8"


def test_a_text_over_the_limit_is_too_large():
    """The byte cap of a text is enforced."""
    with pytest.raises(MediaTooLargeError, match="at most 10"):
        decode("text", b"a" * 11, limits=Limits(text_bytes=10))


@pytest.mark.parametrize("container", ["PNG", "WEBP", "BMP", "TIFF", "GIF"])
def test_lossless_formats_give_back_their_pixels(container):
    """What was written is what is read, in every lossless format."""
    pixels = make.gradient() // 64 * 64  # few enough colours for GIF's palette
    options = {"lossless": True} if container == "WEBP" else {}
    decoded = decode("image", make.picture_bytes(pixels, container, **options)).pixels
    assert np.array_equal(decoded, pixels)


def test_jpeg_comes_close_to_its_pixels():
    """A JPEG of high quality differs by a few grey levels."""
    decoded = decode("image", make.jpeg(quality=95, subsampling=0)).pixels
    assert np.abs(decoded.astype(int) - make.gradient()).mean() < 2


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone(orientation):
    """A photo stored turned or mirrored comes out as it was seen, for each of the eight orientations."""
    seen = Image.fromarray(make.gradient())
    stored_as = {
        1: seen,
        2: seen.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: seen.transpose(Image.Transpose.ROTATE_180),
        4: seen.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: seen.transpose(Image.Transpose.TRANSPOSE),
        6: seen.transpose(Image.Transpose.ROTATE_90),
        7: seen.transpose(Image.Transpose.TRANSVERSE),
        8: seen.transpose(Image.Transpose.ROTATE_270),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    decoded = decode("image", make.picture_bytes(stored_as[orientation], exif=exif)).pixels
    assert np.array_equal(decoded, make.gradient())


def test_alpha_is_dropped_and_not_composited():
    """Transparent pixels keep the colour stored under them, as ImageBind's loader reads them."""
    rgba = np.dstack([make.gradient(), np.zeros((48, 64), np.uint8)])
    assert np.array_equal(decode("image", make.picture_bytes(rgba)).pixels, make.gradient())


def test_a_palette_with_transparency_keeps_its_colours():
    """The transparent entry of a palette is read as the colour it holds."""
    palette = Image.fromarray(make.gradient()).quantize(16)
    opaque = np.asarray(palette.convert("RGB"))
    assert np.array_equal(decode("image", make.picture_bytes(palette, transparency=0)).pixels, opaque)


def test_sixteen_bit_grey_is_scaled_and_not_clipped():
    """The full 16-bit range lands on the full 8-bit range."""
    grey = np.array([[0, 257, 32_896, 65_535]], np.uint16)
    assert decode("image", make.picture_bytes(grey)).pixels[0, :, 0].tolist() == [0, 1, 128, 255]


def test_float_tiff_between_0_and_1_is_scaled():
    """A float picture in [0, 1] uses the whole 8-bit range."""
    grey = np.array([[0.0, 0.5, 1.0]], np.float32)
    assert decode("image", make.picture_bytes(grey, "TIFF")).pixels[0, :, 1].tolist() == [0, 128, 255]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK", "YCbCr"])
def test_every_colour_mode_becomes_rgb(mode):
    """Whatever mode a TIFF is stored in, the sample is what Pillow converts to RGB."""
    image = Image.fromarray(make.gradient()).convert("L" if mode == "LA" else "RGB").convert(mode)
    decoded = decode("image", make.picture_bytes(image, "TIFF")).pixels
    assert np.abs(decoded.astype(int) - np.asarray(image.convert("RGB"))).max() <= 2


def test_the_first_frame_of_an_animation_counts():
    """Of an animated GIF the first picture is taken."""
    first, second = Image.new("RGB", (9, 7), (255, 0, 0)), Image.new("RGB", (9, 7), (0, 0, 255))
    data = make.picture_bytes(first, "GIF", save_all=True, append_images=[second])
    assert decode("image", data).pixels[3, 4].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("png_wide_rgb_224x297", (224, 297)),
        ("png_tall_rgba_500x333", (500, 333)),
        ("png_small_gray_61x90", (61, 90)),
    ],
)
def test_reference_pictures_equal_pillows_rgb(name, shape):
    """The reference's inputs decode to the pixels that its own loader starts from."""
    data = np.load(PROCEDURAL)[f"image/{name}"].tobytes()
    pixels = decode("image", data).pixels
    assert pixels.shape == (*shape, 3)


def test_one_pixel_is_a_picture():
    """A 1 x 1 image decodes."""
    assert decode("image", make.png(1, 1)).pixels.shape == (1, 1, 3)


@pytest.mark.parametrize("size", [(0, 0), (0, 5), (5, 0)])
def test_a_header_without_pixels_is_refused(size):
    """An image of no width or height is an error that says so."""
    with pytest.raises(MediaError, match="at least 1"):
        decode("image", make.png_header(*size))


def test_a_huge_claim_is_refused_by_the_header():
    """50 000 x 50 000 pixels are refused before decoding, even where nothing follows the header."""
    for data in (make.png_header(50_000, 50_000), make.png_header(50_000, 50_000)[:33]):
        with pytest.raises(MediaTooLargeError, match="50000 x 50000"):
            decode("image", data)


def test_a_webp_canvas_is_checked_before_libwebp_allocates_it():
    """The extended header of WebP is enough to refuse."""
    canvas = bytes(4) + (16_382).to_bytes(3, "little") * 2
    data = b"RIFF" + (22).to_bytes(4, "little") + b"WEBPVP8X" + (10).to_bytes(4, "little") + canvas
    with pytest.raises(MediaTooLargeError, match="16383 x 16383"):
        decode("image", data)


def test_the_pixel_limit_is_the_callers():
    """A picture over a lowered limit is refused, one at the limit is not."""
    limits = Limits(pixels=64 * 48)
    assert decode("image", make.png(64, 48), limits=limits).pixels.size == 64 * 48 * 3
    with pytest.raises(MediaTooLargeError):
        decode("image", make.jpeg(65, 48), limits=limits)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_a_broken_exif_block_does_not_cost_the_picture():
    """The pixels are good, so a picture with nonsense for EXIF is read as upright."""
    decoded = decode("image", make.jpeg(exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff", quality=95)).pixels
    assert decoded.shape == (48, 64, 3)


@pytest.mark.parametrize("chunk", [b"zTXt", b"iCCP"])
def test_a_compressed_chunk_bomb_is_an_ordinary_error(chunk):
    """A chunk that unpacks to far more than its size does not crash anything."""
    import zlib

    data = make.png()
    bomb = make.png_chunk(chunk, b"k\0\0" + zlib.compress(bytes(20_000_000)))
    with pytest.raises(MediaError):
        decode("image", data[:33] + bomb + data[33:])


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"<!DOCTYPE html>", "HTML"),
        (b"%PDF-1.7\n", "PDF"),
        (b"%!PS-Adobe-3.0 EPSF", "EPS"),
        (make.wav(), "WAV"),
        (make.noise(), "none of these"),
    ],
)
def test_other_formats_are_unsupported_and_named(data, named):
    """The error says what the bytes look like and what is accepted."""
    with pytest.raises(UnsupportedMediaError, match="JPEG, PNG, WebP") as caught:
        decode("image", data)
    assert named in caught.value.message
