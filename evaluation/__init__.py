"""Figures of any registered model on public data sets, with intervals: `sensorium evaluate`."""
