"""NumPy's `.npy` files, read without pickle and without trusting the shape they claim."""

import io
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from models.errors import MediaError, MediaTooLargeError
from models.media.lengths import truncated
from models.media.limits import Limits

HEADER_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def _read_header(stream: io.BytesIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    try:
        version = np.lib.format.read_magic(stream)
        return HEADER_READERS[version](stream)
    except KeyError as error:
        raise MediaError(f"the .npy file has format version {error}; accepted are 1.0 and 2.0") from error
    except Exception as error:
        if "EOF" in str(error):
            raise truncated("the .npy file is truncated inside its header") from error
        raise MediaError("the .npy file has a broken header") from error


def _check_dtype(dtype: np.dtype[Any]) -> None:
    if dtype.hasobject:
        raise MediaError("the .npy file holds pickled objects, which are never read; save plain numbers")
    if dtype.kind not in "fiu":
        raise MediaError(f"the .npy file holds {dtype}; accepted are real numbers (float or integer)")


def read_npy(data: bytes, limits: Limits) -> npt.NDArray[Any]:
    """The array, in C order and native byte order, of a float or integer dtype.

    Raises MediaError (pickles, other dtypes, truncation) and MediaTooLargeError, both by the header.
    """
    stream = io.BytesIO(data)
    shape, fortran, dtype = _read_header(stream)
    _check_dtype(dtype)
    count = math.prod(shape)
    if min(shape, default=1) < 1:
        raise MediaError(f"the .npy file has shape {shape}: it holds no values", code="empty_media")
    if count > limits.values:
        raise MediaTooLargeError(
            f"the array {shape} has {count} values; at most {limits.values} are accepted"
        )
    start = stream.tell()
    if count * dtype.itemsize > len(data) - start:
        raise truncated(
            f"the .npy file is truncated: {dtype} {shape} takes {count * dtype.itemsize} bytes, "
            f"{len(data) - start} are there"
        )
    flat = np.frombuffer(data, dtype, count, start)
    array = flat.reshape(shape, order="F" if fortran else "C")
    return np.ascontiguousarray(array, dtype.newbyteorder("="))
