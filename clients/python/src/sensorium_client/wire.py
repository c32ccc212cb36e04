"""A request's body as JSON in UTF-8; numbers and arrays of numpy, and times, among what may stand in it."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import numpy as np

from sensorium_client.errors import UnusableInputError

PLAIN_KINDS = "biufU"


def plain(value: object) -> Any:
    """What JSON has no word for, as something it has. Raises TypeError."""
    if isinstance(value, np.generic | np.ndarray) and value.dtype.kind in PLAIN_KINDS:
        return value.tolist()
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(
        f"{type(value).__name__} is none of text, numbers, true, false, None, times, lists and mappings"
    )


def json_of(body: Any) -> bytes:
    """The body of a request. Raises UnusableInputError for what JSON cannot hold."""
    try:
        return json.dumps(
            body, default=plain, allow_nan=False, ensure_ascii=False, separators=(",", ":")
        ).encode()
    except UnicodeEncodeError as error:
        raise UnusableInputError("text with half of a surrogate pair cannot be sent as UTF-8") from error
    except RecursionError as error:
        raise UnusableInputError("lists and mappings are nested too deeply to be sent") from error
    except ValueError as error:
        if "Circular" in str(error):
            raise UnusableInputError("a list or mapping that holds itself cannot be sent") from error
        raise UnusableInputError(
            "NaN and infinity cannot be sent as JSON; leave the value out, or give None"
        ) from error
    except TypeError as error:
        raise UnusableInputError(f"cannot be sent as JSON: {error}") from error
