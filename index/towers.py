"""Which tower the vectors of a modality come from, where that is no part of the collection's identity.

A collection belongs to one model. A sense that was bound to that model afterwards has a tower of its own,
which may be trained again: then its new vectors and those on the shelf are not of one kind. So the first item
of such a modality writes down its tower, and another one is refused while items of the first are there.
"""

import sqlite3
from collections.abc import Iterable, Mapping

from index import errors

PREFIX = "tower:"


def recorded(connection: sqlite3.Connection) -> dict[str, str]:
    """Give the identity of the tower by modality, of those that have items."""
    found = connection.execute(
        "SELECT name, value FROM facts WHERE name LIKE 'tower:%' "
        "AND EXISTS (SELECT 1 FROM items WHERE modality = substr(name, 7))"
    )
    return {name.removeprefix(PREFIX): value for name, value in found}


def mismatch(collection: str, modality: str) -> errors.IdentityMismatch:
    """The error for items of another tower."""
    return errors.IdentityMismatch(
        f"the {modality} items of the collection {collection!r} were made by another {modality} tower than "
        "the one that is loaded, and vectors of two towers cannot be compared: load the folder they were "
        f"made with, or delete the {modality} items and store them again"
    )


def claim(
    connection: sqlite3.Connection, collection: str, modalities: Iterable[str], towers: Mapping[str, str]
) -> None:
    """Write down the towers of the `modalities` that items are about to be stored of.

    Raises:
        errors.IdentityMismatch: there are items of another tower.
    """
    known = recorded(connection)
    for modality in sorted(set(modalities) & towers.keys()):
        if known.get(modality, towers[modality]) != towers[modality]:
            raise mismatch(collection, modality)
        connection.execute(
            "INSERT OR REPLACE INTO facts VALUES (?, ?)", (PREFIX + modality, towers[modality])
        )
