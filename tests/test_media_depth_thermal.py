"""Depth maps and thermal pictures: bytes -> metres, and warmth in [0, 1]."""

import numpy as np
import pytest
from PIL import Image

from models.errors import MediaError, MediaTooLargeError, ParameterError, UnsupportedMediaError
from models.media.limits import Limits
from models.modalities import decode
from tests import media_files as make


@pytest.mark.parametrize("container", ["PNG", "TIFF"])
@pytest.mark.parametrize("unit", [None, "mm"])
def test_sixteen_bit_depth_is_millimetres(container, unit):
    """Counts become metres, and 0 stays no reading."""
    sample = decode("depth", make.picture_bytes(make.depth_mm(), container), unit=unit)
    assert np.allclose(sample.metres, make.depth_mm() / 1000, atol=1e-6)
    assert sample.metres[0, 0] == 0
    assert not sample.relative


def test_big_endian_tiff_is_read_alike():
    """The byte order of a TIFF does not change its distances."""
    swapped = Image.frombytes("I;16B", (64, 48), make.depth_mm().astype(">u2").tobytes())
    data = make.picture_bytes(swapped, "TIFF")
    assert np.allclose(decode("depth", data).metres, make.depth_mm() / 1000, atol=1e-6)


@pytest.mark.parametrize(
    ("dtype", "unit", "factor"),
    [
        ("<f4", None, 1),
        ("<f8", "m", 1),
        (">f4", None, 1),
        ("<f2", "m", 1),
        ("<f4", "mm", 1e-3),
        ("<u2", None, 1e-3),
    ],
)
def test_arrays_are_metres_unless_told_otherwise(dtype, unit, factor):
    """Floats are metres, whole numbers millimetres, and `unit` may say mm."""
    values = (np.arange(12).reshape(3, 4) + 1).astype(dtype)
    sample = decode("depth", make.npy(values), unit=unit)
    assert np.allclose(sample.metres, values.astype(float) * factor)


def test_float_tiff_is_metres():
    """A float TIFF needs no unit."""
    metres = make.depth_mm().astype(np.float32) / 1000
    assert np.array_equal(decode("depth", make.picture_bytes(metres, "TIFF")).metres, metres)


@pytest.mark.parametrize(
    "data",
    [
        make.jpeg(),
        make.thermal8_png(),
        make.picture_bytes(make.gradient(), "BMP"),
        make.npy(make.gradient()[..., 0]),
    ],
)
def test_eight_bit_pictures_hold_no_distances(data):
    """An 8-bit picture is refused, and the message names the accepted forms and the way out."""
    with pytest.raises(MediaError, match="16-bit PNG or TIFF") as caught:
        decode("depth", data)
    assert 'unit="relative"' in caught.value.message


@pytest.mark.parametrize(
    "values", [np.array([[0, 51, 102, 204]], np.uint8), np.array([[0, 1000, 2000, 4000]], np.uint16)]
)
def test_relative_depth_is_scaled_to_ten(values):
    """Without a scale the farthest point lies at 10, the others in proportion, 0 is no reading."""
    sample = decode("depth", make.picture_bytes(values), unit="relative")
    assert sample.metres[0].tolist() == [0, 2.5, 5, 10]
    assert sample.relative


def test_a_grey_picture_saved_as_rgb_is_grey():
    """Three equal channels are read as one."""
    grey = np.repeat(np.array([[0, 100, 200]], np.uint8)[..., None], 3, axis=2)
    assert decode("depth", make.picture_bytes(grey), unit="relative").metres[0].tolist() == [0, 5, 10]


def test_colours_are_no_distances():
    """A colour-mapped depth picture is refused even as relative."""
    with pytest.raises(MediaError, match="coloured"):
        decode("depth", make.png(), unit="relative")


def test_not_a_number_is_no_reading():
    """NaN and infinity, which cameras write where they see nothing, become 0."""
    sample = decode("depth", make.npy(np.array([[np.nan, np.inf, -np.inf, 2.0]], np.float32)))
    assert sample.metres[0].tolist() == [0, 0, 0, 2]


def test_a_saturated_count_is_no_reading():
    """65535 marks what a 16-bit camera cannot see, in millimetres; in a relative map it is the farthest."""
    data = make.picture_bytes(np.array([[0, 13_107, 65_535]], np.uint16))
    assert decode("depth", data).metres[0] == pytest.approx([0, 13.107, 0])
    assert decode("depth", data, unit="relative").metres[0] == pytest.approx([0, 2, 10])


@pytest.mark.parametrize("values", [[[1.0, -0.5]], [[0.0, np.nan]]])
def test_negative_or_missing_distances_are_refused(values):
    """Negative distances, and maps without any reading, are errors."""
    with pytest.raises(MediaError, match=r"negative|no reading"):
        decode("depth", make.npy(np.array(values, np.float32)))


def test_whole_numbers_are_never_metres():
    """16-bit depth in metres is a mistake, and the message says what is possible."""
    with pytest.raises(ParameterError, match='"mm"'):
        decode("depth", make.depth_png(), unit="m")


def test_focal_length_and_baseline_travel_with_the_sample():
    """`fx` and `baseline` are handed on, as numbers or as a form's strings."""
    sample = decode("depth", make.depth_npy(), fx="518.9", baseline=0.075)
    assert (sample.fx, sample.baseline) == (518.9, 0.075)


@pytest.mark.parametrize(
    ("name", "value"),
    [("fx", 0), ("fx", "-3"), ("baseline", "wide"), ("baseline", True), ("fx", "nan"), ("unit", "inches")],
)
def test_nonsense_parameters_are_refused(name, value):
    """Each parameter's error names it and what it accepts."""
    with pytest.raises(ParameterError, match=name):
        decode("depth", make.depth_npy(), **{name: value})


@pytest.mark.parametrize("shape", [(4,), (2, 3, 4), (2, 3, 4, 5)])
def test_depth_of_another_shape_is_refused(shape):
    """Only (height, width) is a map; one channel too many is an error with the shape in it."""
    with pytest.raises(MediaError, match="height, width"):
        decode("depth", make.npy(np.ones(shape, np.float32)))


def test_one_channel_is_as_good_as_none():
    """(height, width, 1) is taken for (height, width)."""
    assert decode("depth", make.npy(np.ones((3, 4, 1), np.float32))).metres.shape == (3, 4)


def test_eight_bit_thermal_is_divided_by_255():
    """Grey levels land on [0, 1] in steps of 1/255, without a note."""
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    sample = decode("thermal", make.picture_bytes(levels))
    assert np.array_equal(sample.values, levels.astype(np.float32) / np.float32(255))
    assert sample.notes == ()


def test_a_colour_palette_is_read_as_brightness_and_said_so():
    """False colours become luma, with a note; grey saved as RGB does not."""
    coloured = decode("thermal", make.png())
    assert np.allclose(coloured.values, np.asarray(Image.fromarray(make.gradient()).convert("L")) / 255)
    assert coloured.notes == ("colour palette read as brightness",)
    grey = np.repeat(np.arange(12, dtype=np.uint8).reshape(3, 4)[..., None], 3, axis=2)
    assert decode("thermal", make.picture_bytes(grey)).notes == ()


@pytest.mark.parametrize("container", ["PNG", "TIFF"])
def test_counts_are_hundredths_of_a_kelvin(container):
    """A body at 37 degrees C lies where the window says, colder and warmer points are clipped."""
    counts = np.array([[25_315, 27_315, 31_015, 40_000]], np.uint16)
    sample = decode("thermal", make.picture_bytes(counts, container), min_c="0", max_c=40)
    assert sample.values[0] == pytest.approx([0, 0, 37 / 40, 1], abs=1e-6)
    assert sample.notes == ()


@pytest.mark.parametrize(
    "data", [make.thermal16_png(), make.npy(np.linspace(15, 36, 12).reshape(3, 4))], ids=["counts", "degrees"]
)
def test_without_a_window_the_picture_scales_itself_and_says_so(data):
    """Auto gain spreads coldest to warmest over [0, 1], with a note."""
    sample = decode("thermal", data)
    assert (sample.values.min(), sample.values.max()) == (0, 1)
    assert "min_c and max_c" in sample.notes[0]


@pytest.mark.parametrize("dtype", ["<f4", "<f8", ">f4"])
def test_arrays_are_degrees(dtype):
    """Float arrays, and float TIFFs, are degrees C in the window."""
    degrees = np.array([[-10, 15, 40]], dtype)
    for data in (make.npy(degrees), make.picture_bytes(degrees.astype(np.float32), "TIFF")):
        sample = decode("thermal", data, min_c=-10, max_c=40)
        assert sample.values[0] == pytest.approx([0, 0.5, 1])


def test_the_same_temperature_everywhere_is_noted():
    """A flat picture has nothing to scale by; it is 0 everywhere, with a note."""
    sample = decode("thermal", make.npy(np.full((3, 4), 20.0)))
    assert not sample.values.any()
    assert sample.notes


@pytest.mark.parametrize(
    ("data", "params", "said"),
    [
        (make.thermal16_png(), {"min_c": 40, "max_c": 40}, "below"),
        (make.thermal16_png(), {"min_c": 40, "max_c": -10}, "below"),
        (make.thermal16_png(), {"min_c": 0}, "both"),
        (make.thermal8_png(), {"min_c": 0, "max_c": 40}, "8-bit"),
        (make.thermal16_png(), {"min_c": "cold", "max_c": 40}, "min_c"),
        (make.thermal16_png(), {"min_c": -300, "max_c": 40}, "min_c"),
    ],
)
def test_windows_that_make_no_sense_are_refused(data, params, said):
    """A window needs both ends, in order, and temperatures to look at."""
    with pytest.raises(ParameterError, match=said):
        decode("thermal", data, **params)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.array([[1.0, np.nan]]), "not finite"),
        (np.array([[1, 2]], np.uint16), "degrees C as floats"),
        (np.ones((2, 3, 4)), "height, width"),
    ],
)
def test_arrays_that_hold_no_temperatures_are_refused(values, said):
    """NaN, raw counts and stacks are errors that say what is accepted."""
    with pytest.raises(MediaError, match=said):
        decode("thermal", make.npy(values))


@pytest.mark.parametrize("modality", ["depth", "thermal"])
def test_other_media_and_huge_claims_are_refused(modality):
    """Sounds are unsupported; pixels and values are capped by the header."""
    with pytest.raises(UnsupportedMediaError):
        decode(modality, make.wav())
    with pytest.raises(MediaTooLargeError):
        decode(modality, make.png_header(50_000, 50_000))
    with pytest.raises(MediaTooLargeError):
        decode(modality, make.npy_header((100_000, 100_000)))
    with pytest.raises(MediaTooLargeError):
        decode(modality, make.npy(np.ones((10, 10))), limits=Limits(values=99))
