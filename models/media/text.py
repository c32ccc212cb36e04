"""Text files and strings: UTF-8 -> TextSample."""

from models.errors import MediaError, MediaTooLargeError
from models.media.limits import Limits
from models.samples import TextSample


def decode_text(data: bytes, limits: Limits) -> TextSample:
    """UTF-8 bytes, with or without a byte order mark. Raises MediaError (code `invalid_utf8`)."""
    if len(data) > limits.text_bytes:
        raise MediaTooLargeError(f"the text has {len(data)} bytes; at most {limits.text_bytes} are accepted")
    try:
        return TextSample(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise MediaError(
            f"the text is not UTF-8: byte {error.start} is 0x{data[error.start]:02x} ({error.reason})",
            code="invalid_utf8",
        ) from error
