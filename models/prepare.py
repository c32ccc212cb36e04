"""Several makers of views as one `prepare`, chosen by the sample's class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from models.embedder import Prepare, Views
from models.errors import MediaError
from models.samples import Sample

# The samples that a tower takes, each with what makes views of it.
Takes: TypeAlias = Mapping[type, Callable[[Any], Views]]


def prepare_by_kind(modality: str, takes: Takes) -> Prepare:
    """One `prepare` out of several; a sample of another modality raises MediaError."""

    def prepare(sample: Sample) -> Views:
        kind = takes.get(type(sample))
        if kind is None:
            accepted = " or ".join(accepted.__name__ for accepted in takes)
            raise MediaError(f"{modality} takes {accepted}, not {type(sample).__name__}")
        return kind(sample)

    return prepare
