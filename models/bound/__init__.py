"""Senses that a user has bound to a model (`sensorium bind`): how their folders are read and used."""
