"""A data folder full of collections."""

import logging
import shutil
import time
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import IO, Self
from uuid import uuid4

from index import backup, errors, schema, soundness, validation
from index.backup import COLLECTIONS, DATABASE, Backup, is_collection
from index.collection import Collection
from index.durable import lock_folder, make_folder, sync_folder

log = logging.getLogger(__name__)

FLAT_LIMIT = 20_000
"""Up to so many vectors of a modality are kept as they are and searched exactly."""

MEDIA = ("original", "none")

_UNFINISHED = ".unfinished-"
_DROPPED = ".dropped-"


class Store:
    """The collections of one data folder, which belongs to one process at a time."""

    def __init__(self, folder: Path, lock: IO[str], flat_limit: int = FLAT_LIMIT) -> None:
        self._folder = folder
        self._held = lock
        self._flat_limit = flat_limit
        self._lock = Lock()
        self._copying = Lock()
        self._collections: dict[str, Collection] = {}
        self._damaged: dict[str, errors.Damaged] = {}
        self._closed = False

    @classmethod
    def open(cls, path: Path, *, flat_limit: int = FLAT_LIMIT) -> Self:
        """Open the data folder, made if missing, with all its collections.

        A shelf of more than `flat_limit` vectors becomes a compressed one, made in the background.
        A collection that cannot be opened is logged and kept aside: only using that one fails.

        Raises:
            errors.Locked: another process, or another Store of this one, has it open.
        """
        folder = path.absolute()
        make_folder(folder / COLLECTIONS)
        store = cls(folder / COLLECTIONS, lock_folder(folder), flat_limit)
        try:
            store._open_all()
        except BaseException:
            store.close()
            raise
        return store

    def create(  # noqa: PLR0913 - the facts of a collection
        self,
        name: str,
        *,
        model: str,
        identity: str,
        dimension: int,
        media: str = "original",
        recall: float = 0.95,
    ) -> tuple[Collection, bool]:
        """Make a collection for vectors of a model, or give the one there is; the second value: is it new.

        Raises:
            errors.CollectionNameError: the name cannot name one.
            errors.IdentityMismatch: it is there with another identity or dimension.
            errors.ParameterError: `dimension`, `media` or `recall` is outside what is accepted.
        """
        validation.collection_name(name)
        validation.whole("dimension", dimension, 1, validation.MAX_DIMENSION)
        if media not in MEDIA:
            raise errors.ParameterError(f"media must be one of {', '.join(MEDIA)}, not {media!r}")
        validation.recall(recall)
        facts: dict[str, str | int | float] = {
            "model": model,
            "identity": identity,
            "dimension": dimension,
            "media": media,
            "recall": recall,
            "created_us": time.time_ns() // 1000,
        }
        with self._lock:
            self._check_open()
            if name in self._collections or name in self._damaged:
                found = self._found(name)
                _check_identity(found, identity, model, dimension)
                return found, False
            self._make(name, facts)
            self._collections[name] = Collection(self._folder / name, name, self._flat_limit)
            return self._collections[name], True

    def get(self, name: str, identity: str | None = None) -> Collection:
        """Give a collection; with `identity`, only if its vectors come from that model.

        Raises:
            errors.UnknownCollection: there is none of this name.
            errors.IdentityMismatch: it has another identity.
            errors.Damaged: its database cannot be read.
        """
        # Not locked: whoever makes or drops another collection meanwhile may take long.
        self._check_open()
        found = self._found(name)
        if identity is not None:
            _check_identity(found, identity)
        return found

    def list(self) -> list[Collection]:
        """Give all readable collections by name."""
        with self._lock:
            self._check_open()
            return [found for _, found in sorted(self._collections.items()) if found.damage is None]

    def damaged(self) -> dict[str, errors.Damaged]:
        """Give by name what is wrong with the collections that `list` leaves out."""
        with self._lock:
            self._check_open()
            later = {name: found.damage for name, found in self._collections.items()}
            found = {
                **self._damaged,
                **{name: damage for name, damage in later.items() if damage is not None},
            }
            return dict(sorted(found.items()))

    def drop(self, name: str) -> None:
        """Delete a collection with all its items, durable on return; searches in it are waited for.

        Raises:
            errors.UnknownCollection: there is none of this name.
        """
        with self._copying, self._lock:
            self._check_open()
            if name in self._collections:
                self._collections[name].close(save=False)
            elif name not in self._damaged:
                self._found(name)
            gone = self._folder / f"{_DROPPED}{uuid4().hex}"
            (self._folder / name).rename(gone)
            sync_folder(self._folder)
            self._collections.pop(name, None)
            self._damaged.pop(name, None)
        shutil.rmtree(gone, ignore_errors=True)

    def backup(self, destination: Path) -> Backup:
        """Copy all collections to the folder `destination`, made if missing, while others read and write.

        Each is copied as it is at one moment, with everything acknowledged before the call. The copy is
        checked and can be opened as it is, or put back by `restore`. A damaged collection and lost media are
        left out and told of in `faults`.

        Raises:
            errors.NotEmpty: there are collections in `destination` already.
            errors.ParameterError: it lies among the collections.
            errors.StorageFull: its disk has no room.
            errors.Closed: the store was closed; what was copied is removed.
        """
        target = destination.absolute()
        backup.check_destination(self._folder, target)
        with self._copying, backup.new_collections(target) as folder:
            with self._lock:
                self._check_open()
                found = sorted(self._collections.items())
                damaged = tuple(damage.message for damage in self._damaged.values())
            copies = [(name, collection.copy_to) for name, collection in found]
            names, faults = backup.copy_all(copies, folder, self._check_open)
        return Backup(target, names, (*damaged, *faults))

    @staticmethod
    def back_up(source: Path, destination: Path) -> Backup:
        """Copy the data folder `source`, which this or another process may have open; see `backup`.

        Raises what `index.backup.back_up` raises.
        """
        return backup.back_up(source, destination)

    @staticmethod
    def restore(source: Path, destination: Path, collection: str | None = None) -> Backup:
        """Make the data folder `destination`, which must have no collections, from a backup.

        With `collection` only that one is put back, beside the others; it may be there if it is damaged.
        All of it is checked first; raises what `index.backup.restore` and `restore_one` raise.
        """
        if collection is None:
            return backup.restore(source, destination)
        return backup.restore_one(source, destination, validation.collection_name(collection))

    def close(self) -> None:
        """Save what speeds up the next start, and let others open the folder. May be called twice."""
        self._closed = True
        with self._copying, self._lock:
            while self._collections:
                self._collections.popitem()[1].close()
            self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open_all(self) -> None:
        for folder in sorted(self._folder.iterdir()):
            if folder.name.startswith((_UNFINISHED, _DROPPED)):
                shutil.rmtree(folder, ignore_errors=True)
            elif is_collection(folder):
                self._open_one(folder)

    def _open_one(self, folder: Path) -> None:
        try:
            self._collections[folder.name] = Collection(folder, folder.name, self._flat_limit)
        except errors.Damaged as error:
            log.error("the collection %r cannot be opened: %s", folder.name, error)  # noqa: TRY400 - known
            self._damaged[folder.name] = error
        except OSError as error:
            log.exception("the collection %r cannot be opened", folder.name)
            self._damaged[folder.name] = errors.Damaged(f"{folder} cannot be read: {error}")

    def _make(self, name: str, facts: dict[str, str | int | float]) -> None:
        """Make the folder beside and rename it, so that a crash leaves a whole collection or none."""
        unfinished = self._folder / f"{_UNFINISHED}{uuid4().hex}"
        try:
            with soundness.full_disk_told(f"the collection {name!r} could not be made"):
                unfinished.mkdir()
                schema.make(unfinished / DATABASE, facts)
                sync_folder(unfinished)
                unfinished.rename(self._folder / name)
                sync_folder(self._folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def _found(self, name: str) -> Collection:
        if (damaged := self._damaged.get(name)) is not None:
            raise damaged
        found = self._collections.get(name)
        if found is None:
            raise errors.UnknownCollection(f"there is no collection {validation.collection_name(name)!r}")
        if found.damage is not None:
            raise found.damage
        return found

    def _check_open(self) -> None:
        if self._closed:
            raise errors.Closed("the store was closed")


def _check_identity(
    found: Collection, identity: str, model: str | None = None, dimension: int | None = None
) -> None:
    if found.identity == identity and dimension in (None, found.dimension):
        return
    offered = f"model {model!r} " if model is not None else "a model "
    offered += f"with identity {identity}" + (f" and {dimension} dimensions" if dimension is not None else "")
    raise errors.IdentityMismatch(
        f"the collection {found.name!r} holds {found.dimension}-dimensional vectors of model {found.model!r} "
        f"with identity {found.identity}, offered was {offered}: vectors of different models cannot be "
        f"compared. Load that model, or stop the server and run `sensorium reembed {found.name}`, which "
        "keeps ids and metadata"
    )
