"""Training of sensorium-small: plain code, one command, `python -m training.run`."""
