"""Shelves of senses that were bound to a model remember the tower their vectors come from."""

import pytest

from index import errors
from tests.index_samples import collection_in, item

FIRST, SECOND = {"touch": "a" * 64}, {"touch": "b" * 64}


@pytest.fixture
def things(tmp_path):
    store, collection = collection_in(tmp_path)
    yield collection
    store.close()


def test_a_shelf_remembers_its_tower(things):
    """The first item writes it down; another tower is refused, and nothing of that request is stored."""
    things.upsert([item("a", 1, "touch"), item("b", 2, "image")], FIRST)
    things.upsert([item("c", 3, "touch")], FIRST)
    assert things.towers() == FIRST
    with pytest.raises(errors.IdentityMismatch, match="another touch tower"):
        things.upsert([item("d", 4, "image"), item("e", 5, "touch")], SECOND)
    assert things.info().items == {"image": 1, "touch": 2}
    assert things.strangers(SECOND) == {"touch"}
    assert things.strangers(FIRST) == things.strangers({}) == set()


def test_other_modalities_are_not_asked(things):
    """A model's own senses have no tower of their own, whoever else is loaded."""
    things.upsert([item("a", 1, "image")], FIRST)
    assert things.towers() == {}


def test_an_empty_shelf_takes_a_new_tower(things):
    """Once the items are deleted, the shelf belongs to nobody."""
    things.upsert([item("a", 1, "touch")], FIRST)
    things.delete(["a"])
    assert things.towers() == {}
    things.upsert([item("a", 1, "touch")], SECOND)
    assert things.towers() == SECOND
