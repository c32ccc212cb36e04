"""What can go wrong with an evaluation, as exceptions whose message may be shown."""

from __future__ import annotations

from models.errors import SensoriumError


class EvaluationError(SensoriumError):
    """A data set, option or model that cannot be evaluated as asked."""


class LayoutError(EvaluationError):
    """A folder that is not laid out as its data set is: says what is missing."""
