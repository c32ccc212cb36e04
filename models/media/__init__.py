"""Bytes of files -> typed samples: the only place that opens a file format."""
