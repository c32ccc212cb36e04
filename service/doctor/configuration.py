"""Settings, keys and the port."""

from __future__ import annotations

import errno
import socket
import stat
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from service.access.keyring import file_of
from service.access.origins import is_loopback
from service.doctor.finding import Finding, fail, ok, warn
from service.settings import Settings
from service.tracing import wanted
from service.unread import PREFIX, told, unread

OTHERS_READ = stat.S_IRWXG | stat.S_IRWXO
LOWEST_FREE_PORT = 1024


def read_settings(
    given: Mapping[str, Any], environment: Mapping[str, str]
) -> tuple[Settings | None, list[Finding]]:
    """The settings, None where they cannot be used, and what is to be said about them."""
    found = [
        warn("settings", told(name, meant), f"set {meant}, or unset {name}" if meant else f"unset {name}")
        for name, meant in unread(environment).items()
    ]
    try:
        settings = Settings(**given)
    except ValidationError as error:
        return None, [*found, *(wrong(each, environment) for each in error.errors())]
    return settings, found or [ok("settings", "every SENSORIUM_* variable is known and valid")]


def wrong(problem: Mapping[str, Any], environment: Mapping[str, str]) -> Finding:
    name = f"{PREFIX}{str(problem['loc'][0]).upper()}" if problem["loc"] else "settings"
    remedy = "mend its value; README.md has the table of settings"
    if environment.get(name, "").startswith("tcp://"):
        remedy = "Kubernetes sets it for a service of this name: `enableServiceLinks: false`, or another name"
    return fail("settings", f"{name}: {problem['msg']}", remedy)


def port(settings: Settings, running: str | None = None) -> Finding:
    """`running`: the state of the Sensorium that listens there already."""
    where = f"{settings.host}:{settings.port}"
    if running is not None:
        message = f"a Sensorium is running on {where} ({running})"
        return warn("port", message, "none where it is yours; for a second one set SENSORIUM_PORT")
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except socket.gaierror as error:
        return fail("port", f"{settings.host!r} is no address: {error.strerror}", "set SENSORIUM_HOST")
    except OSError as error:
        return taken(error, where)
    return ok("port", f"{where} is free")


def taken(error: OSError, where: str) -> Finding:
    if error.errno == errno.EADDRINUSE:
        return fail(
            "port", f"something listens on {where} already", "stop it, or set SENSORIUM_PORT (0: any)"
        )
    if error.errno == errno.EACCES:
        remedy = f"set SENSORIUM_PORT to {LOWEST_FREE_PORT} or more"
        return fail("port", f"{where} takes rights that this user has not", remedy)
    return fail("port", f"{where}: {error.strerror}", "set SENSORIUM_HOST to an address of this machine")


def roots(settings: Settings) -> Iterator[Finding]:
    """Folders of jobs may be mounted later; mostly, though, a name is wrong."""
    for root in settings.ingest_roots:
        if not root.is_dir():
            yield warn("jobs", f"{root} is no folder", "make or mount it, or mend SENSORIUM_INGEST_ROOTS")


def keys(settings: Settings) -> Iterator[Finding]:
    if settings.api_keys is None:
        if is_loopback(settings.host):
            yield ok("keys", f"none asked for, and only this machine reaches {settings.host}")
        else:
            message = f"whoever reaches {settings.host} may read, write and delete"
            yield warn("keys", message, "set SENSORIUM_API_KEYS (`sensorium keys new`)")
        return
    file = file_of(settings.api_keys.get_secret_value())
    yield ok("keys", "asked for and readable") if file is None else permissions(file)


def permissions(file: Path) -> Finding:
    if file.stat().st_mode & OTHERS_READ:
        return warn("keys", f"others than its owner may use {file}", f"chmod 600 {file}")
    return ok("keys", f"{file} is readable by its owner alone")


def extras(environment: Mapping[str, str]) -> Iterator[Finding]:
    if wanted(environment):
        if find_spec("opentelemetry") is None or find_spec("opentelemetry.sdk") is None:
            yield warn(
                "extras", "OTEL_* asks for traces and the SDK is missing", "pip install 'sensorium[otel]'"
            )
        else:
            yield ok("extras", "traces go where OTEL_* says")
    if find_spec("mcp") is None:
        yield ok(
            "extras", "mcp is not installed; only `sensorium mcp` needs it: pip install 'sensorium[mcp]'"
        )
