"""Where jobs may read: the folders that the operator has opened, and nothing that links lead to."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePath

from models.errors import ParameterError
from service.bulk.sources import Source
from service.bulk.walking import is_inside, split_pattern

SETTING = "SENSORIUM_INGEST_ROOTS"


def outside(source: str) -> ParameterError:
    """The same words whether there is something or not: nobody is to learn what lies elsewhere."""
    message = (
        f"{source!r} does not lie in a folder that is open to jobs; the server's {SETTING} opens folders"
    )
    return ParameterError(message, code="source_not_allowed")


def confined(roots: Sequence[Path], source: str) -> Source:
    """The source, in the first of the roots that has it. Raises ParameterError."""
    if not roots:
        message = f"no folder of this server is open to jobs; its operator opens some by {SETTING}"
        raise ParameterError(message, code="source_not_allowed")
    if "\0" in source or ".." in PurePath(source).parts or not source:
        raise outside(source)
    folder, steps = split_pattern(source)
    missing = False
    for root in map(os.path.realpath, roots):
        real = os.path.realpath(os.path.join(root, folder))  # noqa: PTH118 - an absolute folder replaces the root
        if not is_inside(real, root):
            continue
        missing = True
        if os.path.lexists(real):
            return replace(Source.of(os.path.join(real, *steps)), inside=root)  # noqa: PTH118 - as above
    if missing:
        raise ParameterError(
            f"there is no {source!r} in the folders that are open to jobs", code="source_not_found"
        )
    raise outside(source)
