"""Random histories of a collection against a plain dict."""

import shutil
import tempfile
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from index import Item, Row, Store, errors
from tests.index_samples import assert_picture_is_true, collection_in, vector

NAMES = st.sampled_from([f"i{n}" for n in range(6)])
ITEMS = st.builds(
    lambda name, modality, seeds, group, media: Item(
        name, modality, tuple(Row(vector(seed)) for seed in seeds), {"group": group}, media
    ),
    NAMES,
    st.sampled_from(["image", "text"]),
    st.lists(st.integers(0, 20), min_size=1, max_size=3),
    st.integers(0, 2),
    st.none() | st.sampled_from([b"one", b"two"]),
)


class CollectionMachine(RuleBasedStateMachine):
    """Upserts, deletes, reopening and restoring in any order; all that is read agrees with the dict."""

    words: ClassVar[dict[str, int]] = {}

    @initialize()
    def start(self):
        self.folder = Path(tempfile.mkdtemp())
        self.store, self.things = collection_in(self.folder, **self.words)
        self.model: dict[str, Item] = {}

    @rule(items=st.lists(ITEMS, max_size=4, unique_by=lambda one: one.id))
    def upsert(self, items):
        self.things.upsert(items)
        self.model |= {one.id: one for one in items}

    @rule(one=ITEMS)
    def upsert_twice_the_same_id(self, one):
        with pytest.raises(errors.DuplicateId):
            self.things.upsert([one, one])

    @rule(names=st.lists(NAMES, max_size=3))
    def delete(self, names):
        assert self.things.delete(names) == len(set(names) & self.model.keys())
        self.model = {name: one for name, one in self.model.items() if name not in names}

    @rule(group=st.integers(0, 2))
    def delete_group(self, group):
        count = self.things.delete_where({"must": [{"key": "group", "match": {"value": group}}]})
        kept = {name: one for name, one in self.model.items() if one.metadata["group"] != group}
        assert count == len(self.model) - len(kept)
        self.model = kept

    @rule(lose_shelves=st.booleans())
    def reopen(self, lose_shelves):
        self.store.close()
        if lose_shelves:
            shutil.rmtree(self.things.folder / "shelves")
        self.store, self.things = collection_in(self.folder, **self.words)

    @rule(outside=st.booleans())
    def go_on_from_a_backup(self, outside):
        copy = Path(tempfile.mkdtemp())
        told = Store.back_up(self.folder, copy) if outside else self.store.backup(copy)
        assert (told.collections, told.faults) == (("things",), ())
        self.store.close()
        shutil.rmtree(self.folder)
        assert Store.restore(copy, self.folder).faults == ()
        shutil.rmtree(copy)
        self.store, self.things = collection_in(self.folder, **self.words)

    @rule(seed=st.integers(0, 20), limit=st.integers(1, 8), group=st.none() | st.integers(0, 2))
    def search(self, seed, limit, group):
        filter_ = None if group is None else {"must": [{"key": "group", "match": {"value": group}}]}
        hits = self.things.search(vector(seed), limit=limit, filter=filter_, calibrate=False)
        scores = {
            name: max(float(row.vector @ vector(seed)) for row in one.rows)
            for name, one in self.model.items()
            if group in (None, one.metadata["group"])
        }
        best = sorted(scores.values(), reverse=True)[:limit]
        np.testing.assert_allclose([hit.score for hit in hits], best, atol=1e-6)
        for hit in hits:
            assert hit.score == pytest.approx(scores[hit.id], abs=1e-6)
        assert len({hit.id for hit in hits}) == len(hits)

    @invariant()
    def everything_read_agrees(self):
        items = self.things.page(100).items
        assert {one.id for one in items} == self.model.keys()
        assert len(items) == len(self.model)
        for one in items:
            expected = self.model[one.id]
            assert (one.modality, one.metadata) == (expected.modality, expected.metadata)
            if expected.media is not None:
                assert self.things.media(one.id)[0] == expected.media
        files = list((self.things.folder / "media").glob("*/*"))
        assert len(files) == len({one.media for one in self.model.values()} - {None})
        assert_picture_is_true(self.things)

    def teardown(self):
        self.store.close()
        shutil.rmtree(self.folder)


TestCollection = CollectionMachine.TestCase
TestCollection.__doc__ = "Any history of changes leaves the collection equal to the dict."
TestCollection.settings = settings(max_examples=15, stateful_step_count=15, deadline=None)


class GrowingMachine(CollectionMachine):
    """The same, where more than two vectors are already compressed and shelves are rebuilt all the time."""

    words: ClassVar[dict[str, int]] = {"flat_limit": 2}

    @rule()
    def let_it_grow(self):
        self.things.wait_for_growth()


TestGrowingCollection = GrowingMachine.TestCase
TestGrowingCollection.__doc__ = "Shelves that change their structure at any time never show it."
TestGrowingCollection.settings = settings(max_examples=10, stateful_step_count=15, deadline=None)
