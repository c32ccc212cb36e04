"""Which file format bytes are, told by their first bytes alone, and whether a modality takes it.

Decoders are handed the format found here by name. No library is left to guess among everything it
knows: libav would follow the file names inside a playlist, Pillow would start an interpreter for EPS.
"""

from collections.abc import Collection

from models.errors import UnsupportedMediaError

PNG, JPEG, WEBP, GIF, BMP, TIFF = "PNG", "JPEG", "WebP", "GIF", "BMP", "TIFF"
WAV, FLAC, OGG, MP3, AAC = "WAV", "FLAC", "OGG", "MP3", "AAC"
MP4, MATROSKA = "MP4", "Matroska"
NPY = ".npy"

# (format, (offset, bytes), ..): all the marks of a row have to be there; the first fitting row counts.
SIGNATURES: tuple[tuple[str, tuple[tuple[int, bytes], ...]], ...] = (
    (PNG, ((0, b"\x89PNG\r\n\x1a\n"),)),
    (JPEG, ((0, b"\xff\xd8\xff"),)),
    (GIF, ((0, b"GIF87a"),)),
    (GIF, ((0, b"GIF89a"),)),
    (WEBP, ((0, b"RIFF"), (8, b"WEBP"))),
    (WAV, ((0, b"RIFF"), (8, b"WAVE"))),
    (WAV, ((0, b"RF64"), (8, b"WAVE"))),
    ("AVI", ((0, b"RIFF"), (8, b"AVI "))),
    (BMP, ((0, b"BM"), (16, bytes(2)))),
    (TIFF, ((0, b"II*\x00"),)),
    (TIFF, ((0, b"MM\x00*"),)),
    (FLAC, ((0, b"fLaC"),)),
    (OGG, ((0, b"OggS\x00"),)),
    (MP3, ((0, b"ID3\x02"),)),
    (MP3, ((0, b"ID3\x03"),)),
    (MP3, ((0, b"ID3\x04"),)),
    ("HEIF", ((4, b"ftyphei"),)),
    ("HEIF", ((4, b"ftypmif1"),)),
    ("AVIF", ((4, b"ftypavi"),)),
    (MP4, ((4, b"ftyp"),)),
    (MP4, ((0, b"\x00"), (4, b"moov"))),
    (MP4, ((4, b"mdat"),)),
    (MP4, ((0, b"\x00"), (4, b"wide"))),
    (MP4, ((0, b"\x00"), (4, b"free"))),
    (MATROSKA, ((0, b"\x1aE\xdf\xa3"),)),
    (NPY, ((0, b"\x93NUMPY"),)),
    ("AIFF", ((0, b"FORM"), (8, b"AIF"))),
    ("PDF", ((0, b"%PDF"),)),
    ("ZIP", ((0, b"PK\x03\x04"),)),
    ("gzip", ((0, b"\x1f\x8b\x08"),)),
    ("EPS", ((0, b"%!PS"),)),
)
MARKUP = (b"<svg", b"<?xml", b"<!doctype", b"<html")


def _mpeg_audio(data: bytes) -> str | None:
    """MP3 or bare AAC, which open with a frame header of 11 or 12 set bits instead of a signature."""
    if len(data) < 4 or data[0] != 0xFF:
        return None
    if data[1] & 0xF6 == 0xF0:
        return AAC
    layer_3 = data[1] & 0xE6 == 0xE2 and data[1] & 0x18 != 0x08
    return MP3 if layer_3 and data[2] >> 4 != 15 and data[2] & 0x0C != 0x0C else None


def recognise(data: bytes) -> str | None:
    """The name of the format, or None where the first bytes are of no known one."""
    for name, marks in SIGNATURES:
        if all(data.startswith(mark, offset) for offset, mark in marks):
            return name
    if data[:256].lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(MARKUP):
        return "markup (SVG, XML or HTML)"
    return _mpeg_audio(data)


def expect(data: bytes, accepted: Collection[str], wanted: str) -> str:
    """The format of `data`, which has to be among `accepted`; `wanted` describes those to people.

    Raises UnsupportedMediaError.
    """
    found = recognise(data)
    if found not in accepted:
        is_now = f"look like {found}" if found else "open like none of these"
        raise UnsupportedMediaError(f"accepted are {wanted}; these bytes {is_now}")
    return str(found)
