"""All checks, one after the other; what goes wrong in one is a finding of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from service.doctor import configuration, libraries
from service.doctor.finding import Finding, fail
from service.doctor.running import running

REPORT = "report this with the whole output"


def checked(name: str, look: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """What `look` finds; an error of its own fails the check and leaves the others alone."""
    try:
        yield from look()
    except Exception as error:  # noqa: BLE001 - the doctor has to go on
        yield fail(name, f"could not be looked at: {type(error).__name__}: {error}", REPORT)


def examine(given: Mapping[str, Any], environment: Mapping[str, str]) -> Iterator[Finding]:
    """Look at everything that a start needs. Without usable settings only they and the libraries are told."""
    settings, found = configuration.read_settings(given, environment)
    yield from found
    yield from checked("libraries", libraries.look)
    yield from checked("extras", lambda: configuration.extras(environment))
    if settings is None:
        return
    state = running(settings)
    yield from checked("port", lambda: [configuration.port(settings, state)])
    yield from checked("keys", lambda: configuration.keys(settings))

    yield from checked("jobs", lambda: configuration.roots(settings))

    def stored() -> Iterator[Finding]:
        from service.doctor import storage  # noqa: PLC0415 - loads faiss

        yield from storage.look(settings, running=state is not None)

    def encoding() -> Iterator[Finding]:
        from service.doctor import machine  # noqa: PLC0415 - loads torch

        yield from machine.look(settings)

    yield from checked("data folder", stored)
    yield from checked("machine", encoding)
