"""Which items a map shows, and where they lie in a few dimensions."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index import projection_reads, reads
from index.items import Items, Vector
from index.projection_pca import principal
from index.sampling import sampled

COMPONENTS = 50
FITTED = 8_192
"""So many of the items decide where the principal components lie."""
FLOOR_SHARE = 4
"""This part of the places (a quarter) is shared out evenly, so that rare modalities are seen."""
AT_A_TIME = 1_024


@dataclass(frozen=True, eq=False)
class Shown:
    """The chosen items by modality: `items` and index into `modalities`, both (n,); `total` there are."""

    items: Items
    modality: NDArray[np.uint8]
    modalities: tuple[str, ...]
    total: int


def quotas(counts: Mapping[str, int], limit: int) -> dict[str, int]:
    """Share all `limit` places out among modalities: a part evenly, the rest in proportion to their items.

    Each has one at least, where there are as many. What division leaves over goes to the largest remainders.
    """
    total = sum(counts.values())
    if total <= limit:
        return dict(counts)
    even = max(limit // (FLOOR_SHARE * len(counts)), int(limit >= len(counts)))
    floor = {name: min(count, even) for name, count in counts.items()}
    rest = limit - sum(floor.values())
    beyond = total - sum(floor.values())
    shares = {name: divmod(rest * (counts[name] - floor[name]), beyond) for name in counts}
    left = rest - sum(share for share, _ in shares.values())
    lucky = sorted(shares, key=lambda name: shares[name][1], reverse=True)[:left]
    return {name: floor[name] + shares[name][0] + (name in lucky) for name in counts}


def shown(connection: sqlite3.Connection, limit: int) -> Shown:
    """Choose up to `limit` items, always the same for the same items."""
    counts = dict(sorted(reads.counts(connection).items()))
    places = quotas(counts, limit)
    chosen = [sampled(projection_reads.items_of(connection, name), places[name]) for name in counts]
    modality = np.repeat(np.arange(len(chosen), dtype=np.uint8), [len(some) for some in chosen])
    items = np.concatenate([np.empty(0, dtype=np.int64), *chosen])
    return Shown(items, modality, tuple(counts), sum(counts.values()))


def means(connection: sqlite3.Connection, items: Items, dimension: int) -> Iterator[Vector]:
    """Read the mean vectors of items by and by, in their order, shape (some, dim) each."""
    for start in range(0, len(items), AT_A_TIME):
        some = items[start : start + AT_A_TIME]
        owners, vectors = projection_reads.vectors_of_items(connection, some, dimension)
        _, first, inverse = np.unique(owners, return_index=True, return_inverse=True)
        lengths = np.bincount(inverse)[:, np.newaxis]
        ascending = (np.add.reduceat(vectors, first) / lengths).astype(np.float32)
        yield ascending[np.searchsorted(np.sort(some), some)]


def coordinates(
    connection: sqlite3.Connection, items: Items, dimension: int, check: Callable[[], None]
) -> Vector:
    """Give the principal components of the items' mean vectors, shape (n, up to 50).

    Only a part of the vectors is in memory at a time. `check` may raise to end it.
    """
    if not len(items):
        return np.empty((0, 2), dtype=np.float32)
    blocks = [*means(connection, sampled(items, FITTED), dimension)]
    check()
    components = principal(np.concatenate(blocks), COMPONENTS)
    del blocks
    there = []
    for block in means(connection, items, dimension):
        check()
        there.append(components.of(block))
    return np.concatenate(there)
