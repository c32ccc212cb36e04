"""SQLite, shelves and media of a collection, changed together or not at all."""

import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Lock

from index import backup, columns, errors, reads, soundness
from index.backup import DATABASE
from index.columns import Columns
from index.database import Database
from index.filters import Filter
from index.gate import Gate
from index.growth import Growth, give_memory_back
from index.items import RowIds, Vector
from index.media import MediaFolder, name_of
from index.shelves import Shelves
from index.soundness import Watch
from index.writes import Change

log = logging.getLogger(__name__)

CHECKED_FIRST = 64_000_000
"""Databases up to this size [bytes] are read as a whole before they are used, larger ones meanwhile."""
MANY_ROWS = 1_000
"""A new shelf so far behind catches up once more before writers have to wait for it."""

Connect = Callable[[], sqlite3.Connection]
Work = Callable[[sqlite3.Connection, Sequence[str | None]], Change]


class _Opened:
    """A reading connection that is borrowed when it is asked for first."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._stack: ExitStack | None = None

    def __call__(self) -> sqlite3.Connection:
        if self._stack is None:
            self._stack = ExitStack()
            self._connection = self._stack.enter_context(self._database.reading())
        return self._connection

    def close(self) -> None:
        if self._stack is not None:
            self._stack.close()


class State:
    """What `Collection` stands on.

    Order of a change: media files are synced; rows are written; then, with no reader inside, the transaction
    is committed and the shelves follow; then media that no item names any more are removed. SQLite decides:
    before the commit nothing has happened, after it everything has.
    """

    def __init__(self, folder: Path, what: str, flat_limit: int) -> None:
        self._what = what
        self._folder = folder
        self._path = folder / DATABASE
        self._damage: str | None = None
        with self._damage_told():
            self._database = Database(self._path)
        small = self._path.stat().st_size <= CHECKED_FIRST
        try:
            with self._damage_told():
                self._database.check_complete()
                self._open(folder, flat_limit, check=small)
        except BaseException:
            self._database.close()
            raise
        self._gate = Gate()
        self._one_writer = Lock()
        self._one_column_reader = Lock()
        self._closed = False
        self.growth = Growth(self._regrow, self.shelves.misfits)
        self._watch = Watch(self._database, self._refuse)
        if not small:
            self._watch.start()
        self.growth.go_on()

    @property
    def damage(self) -> errors.Damaged | None:
        """What was found to be wrong with the database, if anything."""
        return None if self._damage is None else errors.Damaged(self._damage)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Read rows and shelves in one and the same state of both."""
        while True:
            self._catch_up()
            with self._damage_told(), self._gate.reading():
                self._check_open()
                if self.shelves.stale:
                    continue
                with self._database.reading() as connection:
                    yield connection
                return

    @contextmanager
    def searching(self) -> Iterator[Connect]:
        """Read shelves and, by calling what is yielded, rows, in one and the same state of both."""
        while True:
            self._catch_up()
            with self._damage_told(), self._gate.reading():
                self._check_open()
                if self.shelves.stale:
                    continue
                opened = _Opened(self._database)
                try:
                    yield opened
                finally:
                    opened.close()
                return

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Read rows alone, in one state of them, for as long as it takes: writers do not wait."""
        with self._damage_told(), ExitStack() as stack:
            with self._gate.reading():
                self._check_open()
                connection = stack.enter_context(self._database.reading())
                # A statement fixes the state that is read.
                reads.top_item(connection)
            yield connection

    def distrust(self, modality: str) -> None:
        """Have a shelf built anew from SQLite before it is searched again."""
        self.shelves.stale.add(modality)

    def read_columns(self, filter_: Filter) -> None:
        """Read the columns that the filter needs, while others read and write."""
        with self._one_column_reader, self._damage_told():
            if not (keys := self.columns.missing(filter_)):
                return
            with ExitStack() as stack:
                with self._gate.reading():
                    self._check_open()
                    connection = stack.enter_context(self._database.reading())
                    # A statement fixes the state that is read, with no change on its way.
                    reads.top_item(connection)
                    self.columns.expect()
                read = columns.read(keys, reads.metadatas(connection))
            with self._gate.writing():
                self.columns.put(read)

    def change(self, work: Work, media: Sequence[bytes | None] = ()) -> Change:
        """Run `work` in a transaction, with the names of the stored `media`; durable on return."""
        with self._one_writer, self._full_disk_told(), self._damage_told():
            self._check_open()
            names = [None if content is None else name_of(content) for content in media]
            try:
                self.media.write(dict(zip(names, media, strict=True)))
                change = self._commit(work, names)
            except BaseException:
                self._remove_unnamed(name for name in names if name is not None)
                raise
            self._tidy(change)
        return change

    def copy_to(self, folder: Path, check: backup.Check) -> list[str]:
        """Copy one state of the collection into a new folder, while others read and write.

        Says which media could not be copied.

        Raises:
            errors.Damaged: the database is not what was written.
        """
        self._check_open()
        faults = backup.copy_collection(self._folder, folder, check)
        with self._one_writer:
            self._remove_unnamed(())
        return faults

    def close(self, *, save: bool) -> None:
        """Wait for who is inside, save the shelves, let go of the files. Later use raises `errors.Closed`."""
        self.growth.stop()
        self._watch.stop()
        with self._one_writer:
            if self._closed:
                return
            if save and self._damage is None:
                self._rebuild_stale()
                self._save(self.shelves.unsaved())
            with self._gate.writing():
                self._closed = True
                self._database.close()
                self.shelves.close()
                self.media.close()

    def _open(self, folder: Path, flat_limit: int, *, check: bool) -> None:
        with self._database.reading() as connection:
            if check:
                soundness.check(connection)
            self.facts = reads.facts(connection)
            self.media = MediaFolder(folder / backup.MEDIA)
            self.media.sweep(reads.media_names(connection))
            self.shelves = Shelves(folder / backup.SHELVES, int(self.facts["dimension"]), flat_limit)
            self.shelves.open(connection)
            self.columns = Columns(reads.top_item(connection) + 1)
        if self.columns.size > MANY_ROWS:
            give_memory_back()

    @contextmanager
    def _damage_told(self) -> Iterator[None]:
        try:
            yield
        except errors.OtherLayout:
            raise
        except errors.Damaged as damage:
            raise self._refuse(damage) from damage
        except sqlite3.DatabaseError as error:
            if soundness.is_damage(error):
                raise self._refuse(errors.Damaged(str(error))) from error
            raise

    def _refuse(self, damage: errors.Damaged) -> errors.Damaged:
        """Let nobody use the collection from now on: what is read may be wrong, what is written lost."""
        if self._damage is None:
            self._damage = f"{self._what} is damaged ({damage.message}): {soundness.remedy(self._path)}"
            log.error("%s", self._damage)
        return errors.Damaged(self._damage)

    @contextmanager
    def _full_disk_told(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.OperationalError, OSError) as error:
            if soundness.is_full(error):
                message = f"{self._what} could not be changed, its disk is full: make room, then try again"
                raise errors.StorageFull(message) from error
            raise

    def _commit(self, work: Work, names: Sequence[str | None]) -> Change:
        connection = self._database.begin()
        try:
            change = work(connection, names)
            with self._gate.writing():
                self._database.commit()
                self._follow(change)
        except BaseException:
            self._database.rollback()
            raise
        return change

    def _follow(self, change: Change) -> None:
        try:
            self.columns.follow(change.metadata)
            self.shelves.apply(change)
        except Exception:
            self.columns.forget()
            # The change is durable, so the caller must not believe that it failed.
            log.exception("the shelves of %s could not follow a change and will be rebuilt", self._what)

    def _tidy(self, change: Change) -> None:
        try:
            self._remove_unnamed(change.media)
            self._save(self.shelves.due())
            self.growth.go_on()
        except Exception:
            log.exception(
                "after a change of %s something was left behind, to be tidied at the next start", self._what
            )

    def _regrow(self, modality: str) -> None:
        """Build a shelf anew beside the present one, while others read and write, then change them over."""

        def present(rows: RowIds) -> tuple[RowIds, Vector]:
            self.growth.check()
            with self._database.reading() as connection:
                return reads.present_vectors(connection, rows, int(self.facts["dimension"]))

        with self._database.reading() as connection:
            rows, _ = reads.row_owners(connection, modality)
        shelf = self.shelves.build(modality, rows, present)
        try:
            behind = MANY_ROWS
            while behind >= MANY_ROWS:
                self.growth.check()
                with self._database.reading() as connection:
                    behind = self.shelves.replay(connection, modality, shelf)
            with self._one_writer:
                self.growth.check()
                with self._database.reading() as connection:
                    self.shelves.replay(connection, modality, shelf)
                with self._gate.writing():
                    self.shelves.put(modality, shelf)
                self._save([modality])
        except BaseException:
            self.shelves.discard(modality, shelf)
            raise

    def _remove_unnamed(self, names: Iterable[str]) -> None:
        self.media.remove(names, self._named)

    def _named(self, names: set[str]) -> set[str]:
        with self._database.reading() as connection:
            return reads.media_names(connection, names)

    def _save(self, modalities: Sequence[str]) -> None:
        if not modalities or self.shelves.stale:
            return
        with self._gate.writing():
            for modality in modalities:
                self.shelves.compact(modality)
        with self._gate.reading(), self._database.reading() as connection:
            generations = reads.generations(connection)
            for modality in modalities:
                self.shelves.save(modality, generations.get(modality, 0))

    def _catch_up(self) -> None:
        if self.shelves.stale:
            with self._one_writer:
                self._check_open()
                self._rebuild_stale()

    def _rebuild_stale(self) -> None:
        if self.shelves.stale:
            with self._gate.writing(), self._database.reading() as connection:
                self.shelves.rebuild_stale(connection)

    def _check_open(self) -> None:
        if self._closed:
            raise errors.Closed(f"{self._what} was closed or dropped")
        if (damage := self.damage) is not None:
            raise damage
