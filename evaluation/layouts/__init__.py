"""Readers of the folders in which users have the public data sets."""
