"""The model that the settings name."""

from __future__ import annotations

import models
from models.embedder import Embedder
from service.settings import Settings


def load_model(settings: Settings) -> Embedder:
    """Load it, bound senses included. Raises SensoriumError."""
    return models.load(
        settings.model,
        weights=settings.weights,
        modalities=settings.modalities,
        device=settings.device,
        precision=settings.precision,
        bound=settings.bound,
    )
