"""Training of sensorium-small: plain code, one command, `sensorium train`."""
