"""Good files to be damaged, by format: (modality, parameters, bytes). Small, so that damage hits it."""

import io
from functools import cache

import numpy as np
from PIL import Image, PngImagePlugin

from tests import media_files as make

WIDTH, HEIGHT = 24, 18
SECONDS = 0.15


def picture(container, mode="RGB", **options):
    image = Image.fromarray(make.gradient(WIDTH, HEIGHT)).convert(mode)
    return make.picture_bytes(image, container, **options)


def animated(container, **options):
    frames = [Image.fromarray(np.roll(make.gradient(WIDTH, HEIGHT), step * 5, 1)) for step in range(3)]
    buffer = io.BytesIO()
    frames[0].save(buffer, container, save_all=True, append_images=frames[1:], duration=40, **options)
    return buffer.getvalue()


def told_png():
    """A PNG with text, compressed text, a profile, EXIF and transparency."""
    info = PngImagePlugin.PngInfo()
    info.add_text("Title", "a gradient")
    info.add_text("Comment", "much " * 40, zip=True)
    info.add_itxt("Author", "nobody", zip=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    return picture("PNG", "RGBA", pnginfo=info, exif=exif, icc_profile=bytes(range(200)))


def told_jpeg():
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 5, "a gradient"
    return picture("JPEG", exif=exif, icc_profile=bytes(range(200)), comment=b"hello", dpi=(72, 72))


def images(*files):
    return [(modality, {}, data) for data in files for modality in ("image", "thermal")]


def maps(*files):
    return [("depth", {}, data) for data in files] + [("thermal", {}, data) for data in files]


def sounds(*files):
    return [("audio", {}, data) for data in files]


def films(*files):
    return [(modality, {}, data) for data in files for modality in ("video", "audio")]


def silent_films(*files):
    return [("video", {}, data) for data in files]


def png():
    grey, depth = picture("PNG", "L"), make.depth_png(WIDTH, HEIGHT)
    return [
        *images(picture("PNG"), picture("PNG", "P"), picture("PNG", "1"), told_png(), animated("PNG")),
        *maps(depth, make.thermal16_png(WIDTH, HEIGHT)),
        ("depth", {"unit": "relative"}, grey),
    ]


def tiff():
    packings = ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "group4", None)
    modes = {"group4": "1"}
    files = [picture("TIFF", modes.get(each, "RGB"), compression=each) for each in packings]
    floats = make.depth_mm(WIDTH, HEIGHT).astype(np.float32) / 1000
    return [
        *images(*files, animated("TIFF")),
        *maps(make.picture_bytes(make.depth_mm(WIDTH, HEIGHT), "TIFF"), make.picture_bytes(floats, "TIFF")),
    ]


def wav():
    kinds = ("PCM_U8", "PCM_16", "PCM_24", "FLOAT", "DOUBLE", "ULAW", "IMA_ADPCM", "MS_ADPCM", "GSM610")
    return sounds(
        *(make.wav(SECONDS, rate=8000, subtype=kind) for kind in kinds), make.wav(SECONDS, channels=6)
    )


def npy():
    values = make.imu_values(20)
    return [
        ("imu", {"sample_rate": 50}, make.npy(values)),
        ("imu", {"sample_rate": 50}, make.npy(np.asfortranarray(values.astype(">f4")))),
        ("depth", {}, make.depth_npy(WIDTH, HEIGHT)),
        ("depth", {}, make.npy(make.depth_mm(WIDTH, HEIGHT))),
        ("thermal", {}, make.npy(np.linspace(10, 40, 12).reshape(3, 4))),
    ]


def csv():
    named = ("Accel X (g)", "acc_y [m/s2]", "az", "Gyro X (deg/s)", "wy", "omega_z")
    return [
        ("imu", {}, make.imu_csv(12)),
        ("imu", {}, make.imu_csv(12, columns=named).replace(b",", b";")),
        ("imu", {"sample_rate": 50}, make.imu_csv(12, time=False).replace(b"\n", b"\r\n")),
    ]


@cache
def seeds():
    """Format -> its good files."""
    return {
        "text": [("text", {}, "Grüße an a_longer_word 🎉 &amp; <b>&#x41;</b>".encode())],
        "csv": csv(),
        "npy": npy(),
        "png": png(),
        "jpeg": images(
            picture("JPEG"), picture("JPEG", progressive=True), picture("JPEG", "CMYK"), told_jpeg()
        ),
        "gif": images(picture("GIF"), animated("GIF"), picture("GIF", interlace=1, comment=b"hello")),
        "webp": images(
            picture("WEBP"), picture("WEBP", "RGBA", lossless=True), animated("WEBP"),
            picture("WEBP", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0"),
        ),
        "bmp": images(picture("BMP"), picture("BMP", "P"), picture("BMP", "1"), picture("BMP", "RGBA")),
        "tiff": tiff(),
        "wav": wav(),
        "flac": sounds(make.flac(SECONDS), make.flac(SECONDS, channels=2)),
        "ogg": sounds(make.ogg(SECONDS), make.opus(SECONDS), make.ogg(SECONDS, channels=2)),
        "mp3": sounds(make.mp3(SECONDS), make.mp3(SECONDS, rate=22_050, channels=2)),
        "m4a": sounds(
            make.m4a(SECONDS), make.aac(SECONDS), make.m4a(SECONDS, channels=2),
            make.surround("matroska", "flac", SECONDS), make.coded_sound("mp4", "alac", seconds=SECONDS),
        ),
        "mp4": [
            *films(make.mp4(6, WIDTH, HEIGHT, sound_s=SECONDS)),
            *silent_films(make.video_bytes("mov", frames=6, width=WIDTH, height=HEIGHT, key_every=2)),
        ],
        "webm": films(make.webm(6, WIDTH, HEIGHT, sound_s=SECONDS),
                      make.video_bytes("matroska", frames=6, width=WIDTH, height=HEIGHT, sound_s=SECONDS)),
    }  # fmt: skip


FORMATS = ("text", "csv", "npy", "png", "jpeg", "gif", "webp", "bmp", "tiff", "wav", "flac", "ogg", "mp3",
           "m4a", "mp4", "webm")  # fmt: skip
