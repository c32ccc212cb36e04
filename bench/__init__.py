"""Measurements: always a ratio against a named peer in the same run, since machines differ and are noisy."""
