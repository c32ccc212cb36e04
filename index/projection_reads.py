"""What maps read from the tables, each in the read transaction it is handed."""

import json
import sqlite3
from hashlib import blake2b

import numpy as np

from index import reads
from index.items import Items, Vector


def generation(connection: sqlite3.Connection) -> str:
    """Give a word that is another one after every change of the collection's rows."""
    told = [reads.facts(connection)["created_us"], sorted(reads.generations(connection).items())]
    return blake2b(repr(told).encode(), digest_size=8).hexdigest()


def items_of(connection: sqlite3.Connection, modality: str) -> Items:
    """Read the item numbers of a modality, ascending; only an index is read."""
    found = connection.execute("SELECT seq FROM items WHERE modality = ? ORDER BY seq", (modality,))
    return np.fromiter((seq for (seq,) in found), dtype=np.int64)


def there(connection: sqlite3.Connection, items: Items) -> Items:
    """Read which of these item numbers there still are."""
    found = connection.execute(
        "SELECT seq FROM json_each(?) JOIN items ON seq = value", (json.dumps(items.tolist()),)
    )
    return np.fromiter((seq for (seq,) in found), dtype=np.int64)


def vectors_of_items(connection: sqlite3.Connection, items: Items, dimension: int) -> tuple[Items, Vector]:
    """Read all rows of these items: whose they are, ascending, (n,), and the vectors, (n, dim)."""
    found = connection.execute(
        "SELECT item, vector FROM json_each(?) JOIN rows ON item = value ORDER BY item",
        (json.dumps(items.tolist()),),
    ).fetchall()
    vectors = np.frombuffer(b"".join(blob for _, blob in found), dtype="<f4").astype(np.float32)
    owners = np.fromiter((item for item, _ in found), dtype=np.int64)
    return owners, vectors.reshape(-1, dimension)
