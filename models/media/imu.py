"""Movement recordings -> ImuSample: acceleration [m/s2] and angular rate [rad/s]."""

import numpy as np
import numpy.typing as npt

from models.errors import MediaError, MediaTooLargeError, UnsupportedMediaError
from models.media import formats
from models.media.arrays import read_npy
from models.media.imu_table import COLUMN_NAMES, read_table
from models.media.limits import Limits
from models.samples import IMU_CHANNELS, ImuSample

WANTED = f"CSV with the columns {COLUMN_NAMES}, and .npy of shape (samples, 6) in that order"
STANDARD_GRAVITY = 9.80665


def _missing_rate(reason: str) -> MediaError:
    return MediaError(f"sample_rate [Hz] is missing: {reason}", code="missing_parameter")


def _read_array(data: bytes, limits: Limits) -> npt.NDArray[np.float64]:
    values = read_npy(data, limits)
    if values.ndim == 2 and len(values) > limits.rows:
        raise MediaTooLargeError(f"the array has {len(values)} samples; at most {limits.rows} are accepted")
    if values.ndim != 2 or values.shape[1] != 6:
        turned = values.ndim == 2 and values.shape[0] == 6
        hint = "; transpose it before saving, the axes are never guessed" if turned else ""
        raise MediaError(
            f"an IMU .npy has shape (samples, 6) with columns {COLUMN_NAMES}, not {values.shape}{hint}"
        )
    return values.astype(np.float64)


def _check_finite(values: npt.NDArray[np.float64]) -> None:
    # Float32 is what the sample holds; NaN compares false.
    bad = np.argwhere(~(np.abs(values) <= np.finfo(np.float32).max))
    if len(bad):
        row, column = (int(number) for number in bad[0])
        raise MediaError(
            f"row {row + 1}, column {IMU_CHANNELS[column]} holds {values[row, column]}, which is no "
            "finite measurement"
        )


def _read(
    data: bytes, limits: Limits, sample_rate: float | None
) -> tuple[npt.NDArray[np.float64], tuple[bool, ...], float]:
    """Values (T, 6), which columns are in SI units for certain, and the rate [Hz]."""
    found = formats.recognise(data)
    if found == formats.NPY:
        values = _read_array(data, limits)
        if sample_rate is None:
            raise _missing_rate("an .npy has no time column")
        return values, (False,) * 6, sample_rate
    if found is not None:
        raise UnsupportedMediaError(f"accepted are {WANTED}; these bytes look like {found}")
    table = read_table(data, limits, WANTED, with_times=sample_rate is None)
    rate = sample_rate or table.rate()
    if rate is None:
        raise _missing_rate("the CSV has no column timestamp [s], timestamp_ms, timestamp_us or timestamp_ns")
    return table.values, table.stated_units, rate


def decode_imu(
    data: bytes, limits: Limits, *, sample_rate: float | None = None, unit: str = "si"
) -> ImuSample:
    """CSV or `.npy`. `unit` "g": accelerations in units of standard gravity, "si": in m/s2.

    A unit that stands in a CSV's header, as in "ax (g)" or "gx (deg/s)", counts before `unit`.

    `sample_rate` [Hz] may be left out where a CSV has a time column. Raises MediaError naming the row and
    column at fault, or what is missing (code `missing_parameter`), and UnsupportedMediaError.
    """
    values, stated, rate = _read(data, limits, sample_rate)
    _check_finite(values)
    if unit == "g":
        in_g = [column for column in range(3) if not stated[column]]
        values[:, in_g] *= STANDARD_GRAVITY
        _check_finite(values)
    return ImuSample(values.astype(np.float32), sample_rate=rate)
