"""The front door to one collection."""

import math
import sqlite3
from collections.abc import Collection as Several
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index import cursor as cursors
from index import errors, filters, ranking, reads, towers, validation, writes
from index.backup import Check
from index.calibration import Background
from index.errors import shown
from index.filters import Filter
from index.hits import Hits
from index.items import Hit, Info, Item, Page, RowIds, ShelfInfo, StoredItem, Vector
from index.places import PictureError
from index.projection import Map, Maps
from index.ranking import AnyShelf, Candidate
from index.state import Connect, State

Priors = Mapping[tuple[str, str], tuple[float, float]]


class Collection:
    """Items of one model's space. Every method may be called from any thread; made by `Store`."""

    def __init__(self, folder: Path, name: str, flat_limit: int) -> None:
        self.folder = folder
        self.name = name
        self._state = State(folder, f"the collection {name!r}", flat_limit)
        facts = self._state.facts
        self.model = str(facts["model"])
        self.identity = str(facts["identity"])
        self.dimension = int(facts["dimension"])
        self.recall = float(facts["recall"])
        self.keeps_media = facts["media"] == "original"
        self._hits = Hits()
        self._maps = Maps(self._state.snapshot, self.dimension)

    @property
    def damage(self) -> errors.Damaged | None:
        """What was found to be wrong with the database; from then on every use raises it."""
        return self._state.damage

    def check(self, item: Item) -> None:
        """Raise what `upsert` would raise for this one item; nothing is written.

        Raises:
            errors.ParameterError: or one of its kinds, see `upsert`.
        """
        validation.item(item, self.dimension)

    def upsert(self, items: Sequence[Item], bound: Mapping[str, str] | None = None) -> None:
        """Store all items in one transaction, durable on return. An id that is there is replaced as a whole.

        A replaced item keeps its place in the order of `page` and its `created_at`. `bound`: modality ->
        identity of its tower, for those whose tower is no part of the model.

        Raises:
            errors.IdentityMismatch: items of such a modality are there, of another tower; none is stored.
            errors.ItemIdError, errors.VectorError, errors.MetadataError, errors.DuplicateId: or their common
                kind, errors.ParameterError: an item cannot be stored; then none is.
        """
        checked = validation.batch(items, self.dimension)
        if not checked:
            return
        media = [item.media if self.keeps_media else None for item in checked]

        def work(connection: sqlite3.Connection, names: Sequence[str | None]) -> writes.Change:
            towers.claim(connection, self.name, (item.modality for item in checked), bound or {})
            return writes.upsert(connection, checked, names)

        self._state.change(work, media)

    def towers(self) -> dict[str, str]:
        """Give modality -> identity of its tower, where that is no part of the model and there are items."""
        with self._state.reading() as connection:
            return towers.recorded(connection)

    def strangers(self, bound: Mapping[str, str]) -> set[str]:
        """Give the modalities whose items come from another tower than `bound`, by modality, says."""
        return {name for name, identity in self.towers().items() if bound.get(name, identity) != identity}

    def get(self, identifier: str, *, with_vector: bool = False) -> StoredItem:
        """Read an item.

        Raises:
            errors.UnknownItem: there is none of this id.
        """
        with self._state.reading() as connection, _unknown_if_unwritable(identifier):
            return reads.item(connection, identifier, with_vector=with_vector)

    def vectors(self, identifier: str) -> tuple[str, Vector]:
        """Read the modality of an item and its unit vectors, shape (rows, dim).

        Raises:
            errors.UnknownItem: there is none of this id.
        """
        with self._state.reading() as connection, _unknown_if_unwritable(identifier):
            return reads.vectors(connection, identifier)

    def media(self, identifier: str) -> tuple[bytes, str | None]:
        """Read the original media of an item and their media type.

        Raises:
            errors.UnknownItem: there is no item of this id.
            errors.NoMedia: it was stored without media, or the collection keeps none.
        """
        with self._state.reading() as connection, _unknown_if_unwritable(identifier):
            name, media_type = reads.media(connection, identifier)
            if name is None:
                raise errors.NoMedia(f"the item {shown(identifier)} was stored without its media")
            try:
                file = self._state.media.open(name)
            except OSError as error:
                raise errors.NoMedia(
                    f"the media file of item {shown(identifier)} cannot be read: {error}"
                ) from error
        # A file that is open stays readable when it is removed, so nobody need wait for the reading.
        with file:
            return file.read(), media_type

    def delete(self, ids: Sequence[str]) -> int:
        """Delete the items with these ids, durable on return; says how many were there."""
        return self._state.change(
            lambda connection, _: writes.delete(connection, writes.seqs_of(connection, ids))
        ).items

    def delete_where(self, filter: Mapping[str, Any]) -> int:  # noqa: A002 - the word of the wire contract
        """Delete the items whose metadata passes the filter, durable on return; says how many.

        Raises:
            errors.FilterError: the filter is malformed, or has no condition and would delete everything.
        """
        holds = filters.parse(filter)
        if not holds.conditions:
            raise errors.FilterError("deleting needs a filter with at least one condition")
        return self._state.change(
            lambda connection, _: writes.delete(connection, reads.seqs_where(connection, holds))
        ).items

    def page(
        self, limit: int, cursor: str | None = None, modality: str | None = None, *, with_vector: bool = False
    ) -> Page:
        """Read up to `limit` items in the order they were first stored, going on after `cursor`.

        Items deleted between two pages are left out, none is shown twice or skipped.

        Raises:
            errors.CursorError: `cursor` is not the `next_cursor` of a page.
            errors.ParameterError: `limit` is below 1.
        """
        validation.whole("limit", limit, 1)
        after = cursors.read(cursor)
        if modality is not None:
            validation.modality_name(modality)
        with self._state.reading() as connection:
            items, last = reads.page(connection, after, limit, modality, with_vector=with_vector)
        return Page(tuple(items), None if last is None else cursors.write(last))

    def info(self) -> Info:
        facts = self._state.facts
        with self._state.reading() as connection:
            items, found = reads.counts(connection), self._chosen(None)
            shelves = {modality: ShelfInfo(shelf.structure, len(shelf)) for modality, shelf in found}
        created_at = reads.time_of(facts["created_us"])
        return Info(
            self.name,
            self.model,
            self.identity,
            self.dimension,
            items,
            shelves,
            created_at,
            facts["media"],
            facts["recall"],
        )

    def search(  # noqa: PLR0913 - each is an optional word of the wire contract
        self,
        vector: Vector | Sequence[float],
        *,
        query_modality: str = "text",
        limit: int = 10,
        offset: int = 0,
        modalities: Sequence[str] | None = None,
        filter: Mapping[str, Any] | None = None,  # noqa: A002 - the word of the wire contract
        exclude: Several[str] = frozenset(),
        per_modality: int | None = None,
        score_threshold: float | None = None,
        calibrate: bool = True,
        background: Priors | None = None,
        recall: float | None = None,
    ) -> list[Hit]:
        """Find the items nearest to `vector`, shape (dim,), which need not have unit length.

        One hit per item, by its best row. Several modalities are ordered by `calibrated`, one modality or
        calibrate=False by `score`; ties by id. `modalities`: all by default. `exclude`: ids to leave out.
        `per_modality`: the most hits of each modality. `score_threshold`: the least cosine. `background`: the
        model's prior, (query modality, item modality) -> (mean, std) of unrelated cosines. `recall`: the
        share of the true nearest to be found on average, 0.90 to 0.999, on a shelf that has outgrown exact
        search; the collection's own by default.

        Raises:
            errors.VectorError: the vector has another length, is not finite or zero.
            errors.FilterError: the filter is malformed.
            errors.ParameterError: limit < 1, offset < 0, per_modality < 1, recall outside its range.
        """
        query = validation.unit_vector(vector, self.dimension, "the query vector")
        validation.whole("limit", limit, 1)
        validation.whole("offset", offset, 0)
        most = offset + limit
        if per_modality is not None:
            most = min(most, validation.whole("per_modality", per_modality, 1))
        threshold = -math.inf if score_threshold is None else score_threshold
        holds = None if filter is None else filters.parse(filter)
        share = self.recall if recall is None else validation.recall(recall)
        if holds is not None:
            self._state.read_columns(holds)

        def found() -> list[Hit]:
            with self._state.searching() as connect:
                names = partial(_ids, connect)
                passing = None if holds is None else self._passing(connect, holds)
                without = reads.rows_of(connect(), exclude) if exclude else None
                wanted = ranking.Wanted(most, threshold, passing, without, share, partial(_verify, connect))
                lists: dict[str, list[Candidate]] = {}
                backgrounds: dict[str, Background] = {}
                for modality, shelf in self._chosen(modalities):
                    best = ranking.best_items(shelf, modality, query, wanted, names)
                    if best:
                        lists[modality] = best
                    if best and calibrate:
                        pair = (query_modality, modality)
                        backgrounds[modality] = ranking.shelf_background(shelf, query, pair, background)
                chosen = ranking.merged(lists, backgrounds if calibrate else None, names)
                return self._hits.of(chosen[offset : offset + limit], connect)

        try:
            return found()
        except PictureError as wrong:
            self._state.distrust(wrong.modality)
            return found()

    def map(self, limit: int) -> Map:
        """Lay up to `limit` items out in the plane, a fixed sample of each modality where there are more.

        The first time it takes as long as their principal components do; what is better comes later, and
        after changes what was there before is given until it is made anew.

        Raises:
            errors.ParameterError: `limit` is below 1.
        """
        return self._maps.latest(validation.whole("limit", limit, 1))

    def wait_for_growth(self) -> None:
        """Return when no shelf is being built anew any more."""
        self._state.growth.wait()

    def copy_to(self, folder: Path, check: Check) -> list[str]:
        """Copy one state of the collection into a new folder; `Store.backup` does this."""
        return self._state.copy_to(folder, check)

    def close(self, *, save: bool = True) -> None:
        """Save the shelves, unless they are to be deleted, and let go of the files; `Store` does this."""
        self._maps.stop()
        self._state.close(save=save)

    def _passing(self, connect: Connect, holds: Filter) -> NDArray[np.bool_]:
        """Say of every item number whether its metadata passes."""
        columns = self._state.columns
        if not columns.missing(holds):
            return columns.passing(holds)
        # Between the reading of its column and now, the key was pushed out by others.
        passing = np.zeros(columns.size, dtype=bool)
        passing[reads.seqs_where(connect(), holds)] = True
        return passing

    def _chosen(self, modalities: Sequence[str] | None) -> list[tuple[str, AnyShelf]]:
        names = list(self._state.shelves.lengths()) if modalities is None else list(dict.fromkeys(modalities))
        found = [(name, self._state.shelves.get(name)) for name in names]
        return [(name, shelf) for name, shelf in found if shelf is not None and len(shelf)]


@contextmanager
def _unknown_if_unwritable(identifier: str) -> Iterator[None]:
    """Half a surrogate pair is no UTF-8: no item has such an id, and SQLite cannot be asked for it."""
    try:
        yield
    except UnicodeEncodeError as error:
        raise reads.unknown(identifier) from error


def _verify(connect: Connect, modality: str, rows: RowIds, vectors: Vector) -> None:
    """Compare vectors of a shelf with SQLite's.

    Raises:
        PictureError: they are not the same.
    """
    there, stored = reads.present_vectors(connect(), np.sort(rows), vectors.shape[1])
    if len(there) < len(rows) or not np.array_equal(stored, vectors[np.argsort(rows)]):
        raise PictureError(modality)


def _ids(connect: Connect, items: Sequence[int]) -> dict[int, str]:
    return reads.ids(connect(), items)
