"""Movement recordings and the `.npy` format: tables and arrays, with nothing guessed."""

from csv import field_size_limit

import numpy as np
import pytest

from models.errors import MediaError, MediaTooLargeError, ParameterError, UnsupportedMediaError
from models.media.arrays import read_npy
from models.media.limits import DEFAULT_LIMITS, Limits
from models.modalities import decode
from models.samples import IMU_CHANNELS
from tests import media_files as make

VALUES = make.imu_values()


def csv(names, rows, delimiter=","):
    lines = [delimiter.join(names), *(delimiter.join(map(str, row)) for row in rows)]
    return "\n".join(lines).encode()


def test_a_table_gives_its_values_and_its_rate():
    """Six named columns and a time column need no parameters."""
    sample = decode("imu", make.imu_csv(rate=50))
    assert np.allclose(sample.values, VALUES, atol=1e-6)
    assert sample.sample_rate == pytest.approx(50)


def test_columns_may_stand_in_any_order_among_others():
    """Columns are found by name; unknown ones are ignored."""
    order = [4, 0, 5, 2, 3, 1]
    names = ["label", *(IMU_CHANNELS[number] for number in order)]
    data = csv(names, [["walk", *row[order]] for row in VALUES])
    assert np.allclose(decode("imu", data, sample_rate=50).values, VALUES, atol=1e-6)


@pytest.mark.parametrize(
    "names",
    [
        ("Acc_X", "Acc_Y", "Acc_Z", "Gyr_X", "Gyr_Y", "Gyr_Z"),
        ("ax", "ay", "az", "gx", "gy", "gz"),
        ("accl_x", "accl_y", "accl_z", "gyro_x", "gyro_y", "gyro_z"),
        ("Accelerometer X", "Accelerometer Y", "Accelerometer Z", "Gyroscope X", "Gyro Y", "gyro-z"),
        ("acceleration.x", "acceleration.y", "acc z", "angular_velocity_x", "omega_y", "wz"),
    ],
)
def test_common_spellings_are_understood(names):
    """The usual names of the channels are taken, whatever their case."""
    data = make.imu_csv(time=False, columns=names)
    assert np.allclose(decode("imu", data, sample_rate="50").values, VALUES, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "ticks"),
    [
        ("timestamp", 1),
        ("time", 1),
        ("t", 1),
        ("t_s", 1),
        ("time_ms", 1e3),
        ("Time (us)", 1e6),
        ("t_ns", 1e9),
    ],
)
def test_the_unit_of_the_time_column_is_in_its_name(name, ticks):
    """Seconds, milli-, micro- and nanoseconds all give 100 Hz; one gap does not change it."""
    times = np.arange(100) / 100
    times[60:] += 3
    rows = [[f"{time * ticks:.6f}", *row] for time, row in zip(times, VALUES, strict=True)]
    assert decode("imu", csv([name, *IMU_CHANNELS], rows)).sample_rate == pytest.approx(100)


def test_a_rate_that_is_given_wins_over_the_time_column():
    """`sample_rate` is taken as it is told."""
    assert decode("imu", make.imu_csv(rate=50), sample_rate=200).sample_rate == 200


def test_times_that_are_no_numbers_only_matter_without_a_rate():
    """A column of dates is ignored where the rate is given, and named where it would be needed."""
    data = csv(["timestamp", *IMU_CHANNELS], [["2026-01-02T03:04:05Z", *row] for row in VALUES])
    assert decode("imu", data, sample_rate=50).sample_rate == 50
    with pytest.raises(MediaError, match="line 2, column 'timestamp'"):
        decode("imu", data)


def test_milliseconds_taken_for_seconds_are_noticed():
    """A time column that would mean a sample every 20 s is an error with the way out, not a rate of 0.05."""
    rows = [[20 * number, *row] for number, row in enumerate(VALUES)]
    with pytest.raises(MediaError, match="timestamp_ms"):
        decode("imu", csv(["timestamp", *IMU_CHANNELS], rows))


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_semicolons_and_tabs_separate_too(delimiter):
    """The delimiter is read off the header line."""
    sample = decode("imu", csv(IMU_CHANNELS, VALUES, delimiter), sample_rate=50)
    assert np.allclose(sample.values, VALUES, atol=1e-6)


def test_gravity_units_are_converted():
    """In unit g the accelerations are multiplied by standard gravity, the angular rates are not."""
    sample = decode("imu", make.npy(np.ones((5, 6))), sample_rate=50, unit="g")
    assert np.allclose(sample.values[0], [9.80665] * 3 + [1] * 3)


def test_units_in_the_header_are_heard():
    """A header that names g and degrees per second is converted by column."""
    names = ["ax (g)", "ay (g)", "az (g)", "gx [deg/s]", "gy [deg/s]", "gz [deg/s]"]
    for unit in ("si", "g"):
        sample = decode("imu", csv(names, [[1, 1, 1, 180, 180, 180]]), sample_rate=50, unit=unit)
        assert np.allclose(sample.values[0], [9.80665] * 3 + [np.pi] * 3)
    with pytest.raises(MediaError, match="unknown unit"):
        decode("imu", csv([*IMU_CHANNELS[:5], "gyro_z (rpm)"], VALUES), sample_rate=50)


@pytest.mark.parametrize("data", [make.imu_csv(time=False), make.npy(VALUES)], ids=["csv", "npy"])
def test_a_recording_without_a_rate_is_refused(data):
    """Without a time column the rate has to be given, and the error's code says so."""
    with pytest.raises(MediaError, match="sample_rate") as caught:
        decode("imu", data)
    assert caught.value.code == "missing_parameter"


@pytest.mark.parametrize("rate", [0, -1, "fast", 1e-300, 0.9, 100_001, float("nan"), float("inf")])
def test_impossible_rates_are_refused(rate):
    """A rate is a number from 1 to 100 000, so that no recording is stretched beyond numbers."""
    with pytest.raises(ParameterError, match="sample_rate"):
        decode("imu", make.npy(VALUES), sample_rate=rate)


def test_missing_columns_are_named():
    """An error about columns says which are missing and which are wanted."""
    with pytest.raises(MediaError, match="lacks the columns gyro_y, gyro_z"):
        decode("imu", csv(IMU_CHANNELS[:4], VALUES[:, :4]), sample_rate=50)


def test_a_table_without_a_header_is_refused_with_the_names():
    """Six columns of numbers are not guessed to be in any order."""
    with pytest.raises(MediaError, match=r"no header.*accel_x"):
        decode("imu", "\n".join(",".join(map(str, row)) for row in VALUES).encode(), sample_rate=50)


def test_a_channel_that_stands_twice_is_refused():
    """Two columns for one channel are ambiguous."""
    with pytest.raises(MediaError, match="two columns are named accel_x"):
        decode("imu", csv([*IMU_CHANNELS, "ax"], [[*row, 0] for row in VALUES]), sample_rate=50)


@pytest.mark.parametrize("bound", [131_072, 1 << 20])
@pytest.mark.parametrize(
    ("count", "told"),
    [(10_000, "line 5 of the CSV opens a quote that is not closed"), (3, "line 5, column 'accel_x'")],
)
def test_a_quote_without_end_is_named_by_its_line(bound, count, told):
    """Not by the line where the reader gave up on it, whatever bound others have given it."""
    data = csv(IMU_CHANNELS, [*VALUES[:3], ['"1', *VALUES[3, 1:]], *([[0.1] * 6] * count)])
    before = field_size_limit(bound)
    try:
        with pytest.raises(MediaError, match=told):
            decode("imu", data, sample_rate=50)
    finally:
        field_size_limit(before)


@pytest.mark.parametrize("cell", ["", "n/a", "1,5x"])
def test_a_cell_that_is_no_number_is_named_by_line_and_column(cell):
    """The message leads to the place in the file."""
    rows = [list(map(str, row)) for row in VALUES[:5]]
    rows[2][4] = f'"{cell}"'
    with pytest.raises(MediaError, match="line 4, column 'gyro_y'"):
        decode("imu", csv(IMU_CHANNELS, rows), sample_rate=50)


@pytest.mark.parametrize("value", ["nan", "inf", "1e39"])
@pytest.mark.parametrize("form", ["csv", "npy"])
def test_values_that_are_not_finite_are_named_by_row_and_column(value, form):
    """NaN, infinity and what float32 cannot hold are refused with their place."""
    values = VALUES[:5].copy()
    values[3, 1] = float(value)
    data = make.npy(values) if form == "npy" else make.imu_csv(values=values)
    with pytest.raises(MediaError, match="row 4, column accel_y"):
        decode("imu", data, sample_rate=50)


@pytest.mark.parametrize("shape", [(100, 5), (100, 7), (6, 100), (600,), (10, 10, 6)])
def test_arrays_of_another_shape_are_refused(shape):
    """Axes are never guessed: (6, T) is refused with the advice to transpose."""
    with pytest.raises(MediaError, match=r"shape \(samples, 6\)") as caught:
        decode("imu", make.npy(np.ones(shape)), sample_rate=50)
    assert ("transpose" in caught.value.message) == (shape == (6, 100))


@pytest.mark.parametrize(
    "array",
    [VALUES, VALUES.astype(">f8"), VALUES.astype("f4"), np.asfortranarray(VALUES), np.ones((3, 6), np.int16)],
    ids=["f8", "big-endian", "f4", "fortran", "int16"],
)
def test_arrays_of_any_number_type_and_order_are_read(array):
    """Byte order, memory order and width do not change the values."""
    assert np.allclose(decode("imu", make.npy(array), sample_rate=50).values, array, atol=1e-6)


@pytest.mark.parametrize("data", [make.png(), make.wav(), make.noise(), b"\xff\xfe\x00\x01"])
def test_what_is_neither_table_nor_array_is_unsupported(data):
    """Other files are refused with what is accepted."""
    with pytest.raises(UnsupportedMediaError, match="CSV"):
        decode("imu", data)


@pytest.mark.parametrize("data", [b"\n\n", b"hello", b'"', b"a,b\n1,2", csv(IMU_CHANNELS, [])])
def test_texts_that_are_no_recording_are_refused(data):
    """A text without the columns or without rows is a media error."""
    with pytest.raises(MediaError):
        decode("imu", data, sample_rate=50)


def test_too_many_rows_are_refused_before_they_are_parsed():
    """The cap on values counts lines times six."""
    with pytest.raises(MediaTooLargeError, match="at most 10"):
        decode("imu", make.imu_csv(100), limits=Limits(values=60))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (make.npy_pickled(), "pickled objects"),
        (make.npy(np.zeros(3, dtype=[("a", "f4")])), "real numbers"),
        (make.npy(np.zeros(3, complex)), "real numbers"),
        (make.npy(np.array(["a"])), "real numbers"),
        (make.npy(np.zeros((0, 6))), "no values"),
        (make.npy_header((10, 6)), "truncated"),
        (make.npy(VALUES)[:40], "truncated"),
        (make.npy(VALUES)[:-1], "truncated"),
        (b"\x93NUMPY\x09\x00" + bytes(100), "version"),
        (b"\x93NUMPY\x01\x00\x0a\x00" + b"{1+1: []}\n", "broken header"),
    ],
)
def test_arrays_that_cannot_be_trusted_are_refused(data, said):
    """Pickles, odd types, empty and cut off arrays are told apart, and nothing is unpickled."""
    with pytest.raises(MediaError, match=said):
        read_npy(data, DEFAULT_LIMITS)


def test_an_array_that_claims_too_much_is_refused_by_its_header():
    """A shape over the cap is refused though no value follows."""
    with pytest.raises(MediaTooLargeError, match="at most 20000000"):
        decode("imu", make.npy_header((10**12, 6)), sample_rate=50)
