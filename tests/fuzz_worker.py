"""A process that decodes one damaged file after the other and tells how each ended; `test_fuzz` watches it.

A line `FORMAT NUMBER SEED` on stdin is answered by a line of JSON.
"""

import json
import random
import sys
import time
from pathlib import Path

from models import load
from service.errors import fault_of
from tests.fuzz_mutations import damaged
from tests.fuzz_seeds import FORMATS, seeds

STATUS = Path("/proc/self/status")
RESET_PEAK = "5"
MEGABYTE = 1 << 20


def case(kind, number, seed):
    """Modality, parameters and damaged bytes of one case: the same for the same three."""
    chance = random.Random(f"{seed}/{kind}/{number}")
    files = seeds()[kind]
    modality, params, original = chance.choice(files)
    return modality, params, damaged(kind, original, [data for *_, data in files], chance)


def resident(key):
    """VmRSS or VmHWM of this process [bytes]; 0 where the system does not tell."""
    if not STATUS.exists():
        return 0
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(key))
    return int(line.split()[1]) * 1024


def reset_peak():
    if STATUS.exists():
        STATUS.with_name("clear_refs").write_text(RESET_PEAK)


def ending(model, modality, params, data):
    """How the file ended: `sample`, or the code and HTTP status of its error."""
    try:
        model.prepare(modality, model.decode(modality, data, **params))
    except Exception as error:  # noqa: BLE001 - which ones get out is the question
        fault = fault_of(error)
        told = fault.status < 500 and fault.message and fault.code
        return fault.code if told else f"{type(error).__name__}: {error}"
    return "sample"


def answer(model, kind, number, seed):
    modality, params, data = case(kind, number, seed)
    reset_peak()
    before, started = resident("VmRSS"), time.perf_counter()
    end = ending(model, modality, params, data)
    seconds, growth = time.perf_counter() - started, resident("VmHWM") - before
    return {"end": end, "seconds": seconds, "growth_mb": growth / MEGABYTE, "rss_mb": before / MEGABYTE}


def main():
    model = load("sensorium-small")
    for kind in FORMATS:
        for modality, params, data in seeds()[kind]:
            end = ending(model, modality, params, data)
            assert end == "sample", f"the good {kind} ends with {end}"
    print("ready", flush=True)  # noqa: T201 - the parent reads it
    for line in sys.stdin:
        kind, number, seed = line.split()
        print(json.dumps(answer(model, kind, int(number), seed)), flush=True)  # noqa: T201 - as above


if __name__ == "__main__":
    main()
