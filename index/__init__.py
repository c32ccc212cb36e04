"""Collections of items with vectors: stored in SQLite, found through FAISS, nothing acknowledged is lost."""

from index import errors, filters
from index.backup import Backup
from index.collection import Collection
from index.items import Hit, Info, Item, Page, Row, Segment, ShelfInfo, StoredItem
from index.projection import Map
from index.store import Store

__all__ = [
    "Backup",
    "Collection",
    "Hit",
    "Info",
    "Item",
    "Map",
    "Page",
    "Row",
    "Segment",
    "ShelfInfo",
    "Store",
    "StoredItem",
    "errors",
    "filters",
]
