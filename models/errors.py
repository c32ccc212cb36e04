"""What can go wrong with media, models and weights, as exceptions with a wire-stable `code`."""


class SensoriumError(Exception):
    """An error whose message may be shown to the caller; `code` is stable and machine-readable."""

    code = "invalid_request"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code


class ParameterError(SensoriumError):
    """A parameter that does not exist, has the wrong type or lies outside its range."""

    code = "invalid_parameter"


class MediaError(SensoriumError):
    """Media or a value that cannot be used: empty, broken, truncated, too short, not finite."""

    code = "invalid_media"


class UnsupportedMediaError(MediaError):
    """Bytes of a format that the modality does not accept."""

    code = "unsupported_media_type"


class MediaTooLargeError(MediaError):
    """Media that claims more pixels, seconds, channels or values than the limits allow."""

    code = "media_too_large"


class UnknownModelError(SensoriumError):
    """A model name that the registry does not hold, or that is not loaded."""

    code = "model_not_found"


class UnknownModalityError(SensoriumError):
    """A modality that does not exist, or that the loaded model has no tower for."""

    code = "unknown_modality"


class WeightsError(SensoriumError):
    """Weights that are absent, incomplete, of another shape or of another hash than expected."""

    code = "invalid_weights"


class BindingError(SensoriumError):
    """A bound modality that is damaged, of another model, or of a name that is taken."""

    code = "unusable_binding"
