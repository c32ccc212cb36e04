"""Libraries: whether they are there, fit each other and can be loaded."""

from __future__ import annotations

import platform
import sqlite3
from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires, version

from service.doctor.finding import Finding, fail, ok, warn

TRIO = ("torch", "torchvision", "torchaudio")
OLDEST_SQLITE = (3, 38, 0)  # json_each without a build option
PACKAGES = ("models", "index")


def installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def wanted_trio() -> dict[str, str]:
    """Package -> the version that this one was built with."""
    pins = [line.partition(";")[0].strip().partition("==") for line in requires("sensorium") or ()]
    return {name: pin for name, _, pin in pins if name in TRIO and pin}


def trio(found: Mapping[str, str | None], pins: Mapping[str, str]) -> Finding:
    """torch, torchvision and torchaudio have to be of one release and one build (`+cpu`, `+cu128`)."""
    told = ", ".join(f"{name} {number or 'missing'}" for name, number in found.items())
    remedy = "pip install " + " ".join(f"{name}=={pins[name]}" for name in found if name in pins)
    builds = {number.partition("+")[2] for number in found.values() if number is not None}
    if None in found.values() or len(builds) > 1:
        return fail("torch", f"{told}: not of one build", remedy)
    others = [name for name, pin in pins.items() if str(found.get(name)).partition("+")[0] != pin]
    return warn("torch", f"{told}: another release than was tested", remedy) if others else ok("torch", told)


def look() -> Iterator[Finding]:
    yield ok("python", platform.python_version())
    yield trio({name: installed(name) for name in TRIO}, wanted_trio())
    faiss = installed("faiss-cpu") or installed("faiss-gpu") or installed("faiss")
    yield ok("faiss", faiss) if faiss else fail("faiss", "missing", "pip install 'faiss-cpu>=1.15'")
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        remedy = "a Python that was built with a newer one"
        yield fail("sqlite", f"{sqlite3.sqlite_version} is too old", remedy)
    else:
        yield ok("sqlite", sqlite3.sqlite_version)
    for package in PACKAGES:
        yield from importable(package)


def importable(package: str) -> Iterator[Finding]:
    """Say only what cannot be loaded, such as a wheel for another processor."""
    try:
        import_module(package)
    except Exception as error:  # noqa: BLE001 - compiled modules raise what they like
        remedy = f"{package}/ stands on libraries of which one is broken: install them again"
        yield fail("libraries", f"{package} cannot be loaded: {type(error).__name__}: {error}", remedy)
