"""Disks that fill up in a moment."""

import contextlib
import subprocess

import pytest


@contextlib.contextmanager
def mounted(folder, megabytes):
    """A file system with little room at `folder`; the test is skipped where mounting is not allowed."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
