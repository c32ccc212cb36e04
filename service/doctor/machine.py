"""Processor, memory and weights."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from models import machine
from models.errors import SensoriumError, UnknownModalityError
from models.footprint import TooLittleMemoryError, available_bytes, expect_room, needed_bytes
from models.load import chosen_modalities
from models.registry import Entry, cache_dir, entry_of
from models.small.assemble import WEIGHTS
from service.doctor.finding import Finding, fail, ok, warn
from service.doctor.storage import existing
from service.loading import modalities_for
from service.settings import Settings

QUOTA = Path("/sys/fs/cgroup/cpu.max")


def quota(path: Path = QUOTA) -> float | None:
    """Processors that the container may use at a time, None for all."""
    try:
        most, period = path.read_text(encoding="ascii").split()
        return int(most) / int(period)
    except (OSError, ValueError):  # absent, or `max`
        return None


def processor(settings: Settings) -> Iterator[Finding]:
    if fault := machine.device_fault(settings.device):
        yield fail("device", fault, "set SENSORIUM_DEVICE")
    bf16 = machine.has_bf16()
    if settings.precision == "bf16" and settings.device == "cpu" and bf16 is False:
        message = "this processor has no instructions for bf16, so it is slower than fp32"
        yield warn("processor", message, "SENSORIUM_PRECISION=fp32")
    else:
        words = {True: "with", False: "without", None: "perhaps with"}
        yield ok("processor", f"{os.cpu_count()} cores, {words[bf16]} instructions for bf16")
    yield threads(machine.compute_threads(), quota() or os.cpu_count() or 1)


def threads(count: int, cores: float) -> Finding:
    """More threads than cores wait for each other."""
    if count > max(1.0, cores):
        remedy = f"OMP_NUM_THREADS={max(1, round(cores))}"
        return warn("threads", f"{count} compute threads for {cores:g} cores", remedy)
    return ok("threads", f"{count} compute threads")


def memory(settings: Settings) -> Iterator[Finding]:
    if settings.device != "cpu":
        return
    available, total = available_bytes(), 0
    for name in settings.served_models:
        weights, senses = settings.weights_of(name), modalities_for(settings, name)
        total += needed_bytes(name, senses, settings.precision, weights) or 0
    told = "unknown" if available is None else f"{available / 1e9:.1f} GB"
    try:
        expect_room(", ".join(settings.served_models), total, available)
    except TooLittleMemoryError as error:
        yield fail("memory", str(error), "fewer modalities or models, bf16, or a larger machine")
        return
    yield ok("memory", f"weights take {total / 1e9:.2f} GB, {told} are available")


def weights(settings: Settings) -> Iterator[Finding]:
    for name in settings.served_models:
        entry = entry_of(name)
        if entry is None:
            remedy = "`sensorium models` lists what there is"
            yield fail(f"model {name}", "is not known", remedy)
        else:
            yield of_model(entry, name, settings.weights_of(name))
            yield from unknown_senses(entry, modalities_for(settings, name))


def unknown_senses(entry: Entry, modalities: Sequence[str] | None) -> Iterator[Finding]:
    try:
        chosen_modalities(entry, modalities)
    except UnknownModalityError as error:
        yield fail("modalities", str(error), "mend SENSORIUM_MODALITIES")


def of_model(entry: Entry, name: str, given: Path | None) -> Finding:
    check = f"model {name}"
    if given is not None:
        if not given.exists():
            return fail(check, f"{given} is not there", "mend SENSORIUM_WEIGHTS (or SENSORIUM_MODELS)")
        return hashed(check, entry, given) if given.is_file() else ok(check, f"weights from {given}")
    if name == "sensorium-small":
        remedy = "install the package again"
        return (
            ok(check, "weights in the package")
            if WEIGHTS.is_file()
            else fail(check, "weights missing", remedy)
        )
    if entry.downloadable:
        return downloaded(check, entry)
    if name.startswith("open_clip:"):
        return ok(check, "open_clip looks for its weights at the start")
    return fail(check, "has no weights of its own", "set SENSORIUM_WEIGHTS to a file")


def downloaded(check: str, entry: Entry) -> Finding:
    file = cache_dir() / entry.source.rpartition("/")[2]
    if file.is_file():
        return hashed(check, entry, file)
    size = entry.size_bytes or 0
    free = shutil.disk_usage(existing(file.parent)).free
    if free < size:
        remedy = "make room, or set SENSORIUM_MODEL_CACHE or SENSORIUM_WEIGHTS"
        return fail(
            check, f"{size / 1e9:.1f} GB to download and {free / 1e9:.1f} GB free in {file.parent}", remedy
        )
    remedy = f"nothing, if {entry.source} can be reached; else SENSORIUM_WEIGHTS"
    return warn(check, f"{size / 1e9:.1f} GB will be downloaded to {file.parent} at the first start", remedy)


def hashed(check: str, entry: Entry, file: Path) -> Finding:
    """The published weights have a known hash; others may be meant to be others."""
    if entry.sha256 is None:
        return ok(check, f"weights from {file}")
    size = file.stat().st_size
    if file.suffix != ".pth" or size != entry.size_bytes:
        message = f"{file} has {size} bytes, the published weights have {entry.size_bytes}"
        return warn(check, message, "nothing, if they are meant to be others; else delete the file")
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    if digest != entry.sha256:
        return fail(check, f"{file} is not what was published (sha256 {digest})", "delete the file")
    return ok(check, f"{file} is what was published")


def look(settings: Settings) -> Iterator[Finding]:
    yield from processor(settings)
    yield from weights(settings)
    try:
        yield from memory(settings)
    except SensoriumError as error:
        yield fail("memory", str(error), "mend the settings")
