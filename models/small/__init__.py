"""sensorium-small: six small towers over one space of 384 dimensions, bundled with the package."""
