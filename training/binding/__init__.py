"""Binding a new sense to a frozen model from a user's own pairs: `sensorium bind`."""
