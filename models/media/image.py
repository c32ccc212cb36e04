"""Photographs and drawings -> ImageSample."""

from collections.abc import Iterator

import numpy as np
from PIL import Image

from models.errors import MediaError
from models.media.limits import Limits
from models.media.pictures import open_picture
from models.samples import Float32, ImageSample

WANTED = "JPEG, PNG, WebP, GIF, BMP and TIFF images"
# Grey pictures deeper than 8 bits are scaled from the smallest usual full range that holds them.
FULL_RANGES = (255.0, 65_535.0, 4_294_967_295.0)


# Pixels that are converted at once: a picture as a whole would be held three times over.
BAND_PIXELS = 1 << 20


def _bands(image: Image.Image) -> Iterator[tuple[slice, Image.Image]]:
    """Horizontal bands of a picture, with their rows."""
    width, height = image.size
    rows = max(1, BAND_PIXELS // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        yield slice(top, bottom), image.crop((0, top, width, bottom))


def _full_range(image: Image.Image) -> float:
    """The value of white in a grey picture deeper than 8 bits; of others 255, which nobody asks for."""
    if image.mode.startswith("I;16"):
        return FULL_RANGES[1]
    if image.mode not in {"I", "F"}:
        return FULL_RANGES[0]
    bands = (np.asarray(band, np.float32) for _, band in _bands(image))
    extremes = [float(extreme) for band in bands for extreme in (band.min(), band.max())]
    if not np.isfinite(extremes).all():
        raise MediaError("the image holds values that are not finite")
    ranges = FULL_RANGES if image.mode == "I" else (1.0, *FULL_RANGES)
    return next((full for full in ranges if max(extremes) <= full), max(extremes))


def _grey_to_8_bit(values: Float32, full: float) -> Image.Image:
    return Image.fromarray(np.round(np.clip(values / full, 0, 1) * 255).astype(np.uint8))


def _to_rgb(image: Image.Image, full: float) -> Image.Image:
    """RGB of any mode. Alpha is dropped, not composited, as ImageBind's loader does.

    Deep grey is scaled from 0..`full`, where Pillow alone would clip it at 255.
    """
    if image.mode.startswith("I;16"):
        image = Image.fromarray(np.round(np.asarray(image) / 257.0).astype(np.uint8))
    elif image.mode in {"I", "F"}:
        image = _grey_to_8_bit(np.asarray(image, np.float32), full)
    # Pillow warns about palettes with transparency; it is dropped here on purpose.
    image.info.pop("transparency", None)
    return image.convert("RGB")


def decode_image(data: bytes, limits: Limits) -> ImageSample:
    """JPEG, PNG, WebP, GIF (first frame), BMP or TIFF, upright by EXIF. Raises MediaError."""
    image = open_picture(data, limits, WANTED)
    if image.mode == "RGB" and image.width * image.height <= BAND_PIXELS:
        return ImageSample(np.array(image))
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    full = _full_range(image)
    for rows, band in _bands(image):
        pixels[rows] = np.asarray(_to_rgb(band, full))
    return ImageSample(pixels)
