"""Raster pictures through Pillow, with everything that a hostile file may claim checked first."""

import io
import struct

from PIL import Image

from models.errors import MediaError, MediaTooLargeError
from models.media import formats
from models.media.lengths import refuse_truncated, truncated
from models.media.limits import Limits
from models.media.pieces import refuse_too_many

PICTURES = (formats.JPEG, formats.PNG, formats.WEBP, formats.GIF, formats.BMP, formats.TIFF)
# Of the accepted pixels: libwebp holds two canvases beside what it hands over.
SHARE = {formats.WEBP: 0.6}
ORIENTATION_TAG = 0x0112
# EXIF orientation -> what undoes it (TIFF 6.0, tag 274).
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _claimed_size(data: bytes, found: str) -> tuple[int, int] | None:
    """Width and height, read before Pillow, for the formats that it allocates for or gives up on early."""
    if found == formats.PNG and len(data) >= 24:
        width, height = struct.unpack(">II", data[16:24])
        return int(width), int(height)
    if found == formats.WEBP and data.startswith(b"VP8L", 12) and len(data) >= 25:
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if found == formats.WEBP and data.startswith(b"VP8 ", 12) and len(data) >= 30:
        return (
            int.from_bytes(data[26:28], "little") & 0x3FFF,
            int.from_bytes(data[28:30], "little") & 0x3FFF,
        )
    if found == formats.WEBP and data.startswith(b"VP8X", 12) and len(data) >= 30:
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    return None


def _check_size(size: tuple[int, int], found: str, limits: Limits) -> None:
    width, height = size
    most = int(limits.pixels * SHARE.get(found, 1))
    if width <= 0 or height <= 0:
        raise MediaError(f"the picture is {width} x {height} pixels; both have to be at least 1")
    if width * height > most:
        raise MediaTooLargeError(
            f"the picture is {width} x {height} pixels; at most {most} in all are accepted"
        )


def _upright(image: Image.Image) -> Image.Image:
    """The picture as its EXIF orientation wants it seen; a broken EXIF block counts as none."""
    try:
        turn = UPRIGHT.get(image.getexif().get(ORIENTATION_TAG, 1))
    except Exception:  # noqa: BLE001 - Pillow raises nearly anything here, and the pixels are good
        turn = None
    return image if turn is None else image.transpose(turn)


def _load(data: bytes, found: str, limits: Limits) -> Image.Image:
    image = Image.open(io.BytesIO(data), formats=[found])
    _check_size(image.size, found, limits)
    refuse_truncated(data, found)
    image.load()
    return _upright(image)


def _broken(error: Exception, data: bytes, found: str) -> MediaError:
    refuse_truncated(data, found)
    message = f"the {found} picture could not be decoded"
    ends_early = "truncated" in str(error).lower() or "end of file" in str(error).lower()
    return truncated(f"{message}: it is truncated") if ends_early else MediaError(f"{message}: it is broken")


def open_picture(data: bytes, limits: Limits, wanted: str) -> Image.Image:
    """The first frame, upright by its EXIF orientation, in the mode it is stored in.

    Raises UnsupportedMediaError for other formats, MediaTooLargeError by the size in the header,
    MediaError where the file is broken (code `truncated_media` where it ends too early).
    """
    found = formats.expect(data, PICTURES, wanted)
    claimed = _claimed_size(data, found)
    if claimed:
        _check_size(claimed, found, limits)
    refuse_too_many(data, found)
    try:
        return _load(data, found, limits)
    except MediaError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise MediaTooLargeError("the picture claims more pixels than are accepted") from error
    except Exception as error:
        raise _broken(error, data, found) from error
