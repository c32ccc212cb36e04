"""Photographs and drawings -> ImageSample."""

import numpy as np
from PIL import Image

from models.errors import MediaError
from models.media.limits import Limits
from models.media.pictures import open_picture
from models.samples import Float32, ImageSample

WANTED = "JPEG, PNG, WebP, GIF, BMP and TIFF images"
# Grey pictures deeper than 8 bits are scaled from the smallest usual full range that holds them.
FULL_RANGES = (255.0, 65_535.0, 4_294_967_295.0)


def _grey_to_8_bit(values: Float32, *, whole: bool) -> Image.Image:
    if not np.isfinite(values).all():
        raise MediaError("the image holds values that are not finite")
    top = float(values.max())
    ranges = FULL_RANGES if whole else (1.0, *FULL_RANGES)
    full = next((full for full in ranges if top <= full), top)
    return Image.fromarray(np.round(np.clip(values / full, 0, 1) * 255).astype(np.uint8))


def to_rgb(image: Image.Image) -> Image.Image:
    """RGB of any mode. Alpha is dropped, not composited, as ImageBind's loader does.

    16-bit grey is scaled from 0..65535, where Pillow alone would clip it at 255.
    """
    if image.mode.startswith("I;16"):
        image = Image.fromarray(np.round(np.asarray(image) / 257.0).astype(np.uint8))
    elif image.mode in {"I", "F"}:
        image = _grey_to_8_bit(np.asarray(image, np.float32), whole=image.mode == "I")
    # Pillow warns about palettes with transparency; it is dropped here on purpose.
    image.info.pop("transparency", None)
    return image.convert("RGB")


def decode_image(data: bytes, limits: Limits) -> ImageSample:
    """JPEG, PNG, WebP, GIF (first frame), BMP or TIFF, upright by EXIF. Raises MediaError."""
    return ImageSample(np.array(to_rgb(open_picture(data, limits, WANTED))))
