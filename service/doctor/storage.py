"""The data folder: whether it can be written, what it lies on, and whether the collections are sound."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from index import checkup
from service.doctor.finding import Finding, fail, ok, warn
from service.settings import Settings

MOUNTS = Path("/proc/self/mountinfo")
NETWORK = frozenset(
    {
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "9p",
        "afs",
        "ceph",
        "glusterfs",
        "lustre",
        "fuse.sshfs",
        "fuse.s3fs",
    }
)
VOLATILE = frozenset({"tmpfs", "ramfs"})
LITTLE_BYTES, TOO_LITTLE_BYTES = 2_000_000_000, 100_000_000
VARIABLE = "SENSORIUM_DATA_DIR"


def existing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    absolute = folder.absolute()
    return next(each for each in (absolute, *absolute.parents) if each.exists())


def file_system(folder: Path, mounts: Path = MOUNTS) -> str | None:
    """The kind of file system that a folder lies on, None where the system does not tell."""
    if not mounts.exists():
        return None
    place = existing(folder).resolve()
    found: tuple[str, str | None] = ("", None)
    for line in mounts.read_text(encoding="utf-8").splitlines():
        before, _, after = line.partition(" - ")
        point = before.split()[4].encode().decode("unicode_escape")
        if place.is_relative_to(point) and len(point) >= len(found[0]):
            found = (point, after.split()[0])
    return found[1]


def writable(folder: Path) -> Finding:
    there = existing(folder)
    if not there.is_dir():
        return fail("data folder", f"{there} is a file", f"set {VARIABLE} to a folder")
    if not os.access(there, os.W_OK | os.X_OK):
        remedy = f"give this user (id {os.geteuid()}) the right to write there, or set {VARIABLE}"
        return fail("data folder", f"{there} cannot be written", remedy)
    if there != folder.absolute():
        return ok("data folder", f"{folder.absolute()} is not there yet and can be made")
    return ok("data folder", f"{there} can be written")


def kind(folder: Path) -> Finding:
    name = file_system(folder)
    if name in NETWORK:
        message = f"{folder} lies on {name}, where locks and syncs may not hold"
        return warn("file system", message, f"set {VARIABLE} to a local disk")
    if name in VOLATILE:
        message = f"{folder} lies on {name}: nothing there survives a restart of the machine"
        return warn("file system", message, f"set {VARIABLE} to a disk")
    if name == "overlay":
        message = f"{folder} lies in the container itself and is lost with it"
        return warn("file system", message, "mount a volume there")
    return ok("file system", name or "unknown")


def space(folder: Path) -> Finding:
    free = shutil.disk_usage(existing(folder)).free
    message = f"{free / 1e9:.1f} GB free"
    remedy = f"make room, or set {VARIABLE} to a larger disk"
    if free < TOO_LITTLE_BYTES:
        return fail("disk", message, remedy)
    return warn("disk", message, remedy) if free < LITTLE_BYTES else ok("disk", message)


def locked(folder: Path, *, running: bool) -> Finding:
    """Somebody has the folder: nothing to mend where that is the Sensorium that is running."""
    owner = "unknown"
    with suppress(OSError):
        owner = (folder / "lock").read_text(encoding="utf-8", errors="replace").strip() or owner
    message = f"a process has {folder} open (process id {owner}); its collections were not looked at"
    if running:
        return warn(
            "lock", message, "none where it is the one that is running; stop it to have them looked at"
        )
    return fail("lock", message, f"stop that one before starting another, or set {VARIABLE}")


def collections(settings: Settings, *, running: bool) -> Iterator[Finding]:
    folder = settings.data_dir
    if checkup.in_use(folder):
        yield locked(folder, running=running)
        return
    yield ok("lock", "no process has the data folder open")
    for each in checkup.conditions(folder):
        yield from collection(each, settings.served_models)


def collection(found: checkup.Condition, served: tuple[str, ...]) -> Iterator[Finding]:
    name = f"collection {found.name}"
    if not found.read:
        message = f"{found.size / 1e9:.1f} GB are too much to be looked at here"
        yield warn(name, message, "`sensorium backup` checks it while copying")
    elif found.fault is not None:
        yield fail(
            name, found.fault, "restore it from a backup (`sensorium restore --collection`), or delete it"
        )
    elif found.model not in served:
        remedy = f"serve that one too (SENSORIUM_MODELS), or `sensorium reembed {found.name}`"
        yield warn(name, f"belongs to the model {found.model}, which is not served", remedy)
    else:
        yield ok(name, "sound")


def look(settings: Settings, *, running: bool = False) -> Iterator[Finding]:
    """`running`: a Sensorium listens on the port of the settings."""
    yield writable(settings.data_dir)
    yield kind(settings.data_dir)
    yield space(settings.data_dir)
    yield from collections(settings, running=running)
