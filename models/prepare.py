"""Several makers of views as one `prepare`, chosen by the sample's class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from models.embedder import Views
from models.errors import MediaError
from models.samples import Sample

# The samples that a tower takes, each with what makes views of it.
Takes: TypeAlias = Mapping[type, Callable[[Any], Views]]


@dataclass(frozen=True)
class PrepareByKind:
    """A `prepare` that can be sent to another process, if what it takes can."""

    modality: str
    takes: Takes

    def __call__(self, sample: Sample) -> Views:
        kind = self.takes.get(type(sample))
        if kind is None:
            accepted = " or ".join(accepted.__name__ for accepted in self.takes)
            raise MediaError(f"{self.modality} takes {accepted}, not {type(sample).__name__}")
        return kind(sample)


def prepare_by_kind(modality: str, takes: Takes) -> PrepareByKind:
    """One `prepare` out of several; a sample of another modality raises MediaError."""
    return PrepareByKind(modality, takes)
