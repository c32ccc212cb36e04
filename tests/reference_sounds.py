"""Vectors of the reference's sounds, rounded as there: python -m tests.reference_sounds WEIGHTS OUT.

MKL's Fourier transforms round in their own way on each kind of processor, and the quiet bands of a log-mel
picture show it: between two kinds a unit vector moves by up to 5e-6, and so it does from exact float64 ones.
MKL_CBWR=COMPATIBLE, to be set before torch is loaded, gives on every x86 the rounding that the reference's
outputs were made with.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

import models
from tests.imagebind_reference import inputs

# Name -> row of the reference. Of the stereo one the left channel, which is all that the reference hears.
SOUNDS = {"mono_16k_3p3s": 0, "stereo_44k1_2p61s": 1, "mono_16k_1p2s_short": 2, "mono_8k_5s": 3}


def wav(name: str, channels: slice = slice(None)) -> bytes:
    file = io.BytesIO()
    pcm, rate = inputs[f"audio/pcm16_{name}"][:, channels], int(inputs[f"audio/rate_{name}"])
    soundfile.write(file, pcm, rate, format="WAV")
    return file.getvalue()


def vectors(embedder: models.Embedder) -> npt.NDArray[np.float32]:
    """Unit vectors (len(SOUNDS), dim), in the order of the reference's rows."""
    samples = [models.decode("audio", wav(name, slice(1))) for name in SOUNDS]
    return np.concatenate([embedder.embed("audio", [sample]) for sample in samples])


def vectors_as_rounded_there(weights: Path, out: Path) -> npt.NDArray[np.float32]:
    """The same of a process of its own with the reference's rounding."""
    command = [sys.executable, "-m", "tests.reference_sounds", str(weights), str(out)]
    rounding = {**os.environ, "MKL_CBWR": "COMPATIBLE"}
    subprocess.run(command, check=True, env=rounding, cwd=Path(__file__).parent.parent, timeout=300)
    rows: npt.NDArray[np.float32] = np.load(out)
    return rows


if __name__ == "__main__":
    np.save(sys.argv[2], vectors(models.load("imagebind-nano", weights=Path(sys.argv[1]))))
