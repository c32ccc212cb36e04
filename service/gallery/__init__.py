"""The gallery: sample media of every sense, hung into the collection `gallery` at the very first start.

Where the media come from and under which licence stands in CREDITS.md.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from index import Store
from index.errors import StoreError
from models.errors import SensoriumError
from service.drafts import drafts_of
from service.engine import Engine
from service.ingest import Stored, ingest

log = logging.getLogger(__name__)

NAME = "gallery"
HERE = Path(__file__).parent
# In the data folder: `begun` while it is being hung, `done` ever after, so that a dropped one stays away.
MARK = "gallery.state"
BEGUN, DONE = "begun", "done"
AT_A_TIME = 4
GLANCE_S = 0.2


def content_of(entry: Mapping[str, Any]) -> Any:
    """The part of an entry of items.json."""
    if "text" in entry:
        return entry["text"]
    data = base64.b64encode((HERE / "media" / entry["file"]).read_bytes()).decode()
    return {entry["modality"]: data, **entry.get("params", {})}


def items() -> list[dict[str, Any]]:
    """What hangs in the gallery, as items of a JSON request."""
    entries = orjson.loads((HERE / "items.json").read_bytes())
    return [{"id": each["id"], "content": content_of(each), "metadata": each["metadata"]} for each in entries]


def state(folder: Path) -> str:
    try:
        return (folder / MARK).read_text(encoding="ascii")
    except OSError:
        return ""


def is_wanted(store: Store, folder: Path) -> bool:
    """Whether nobody has put anything here yet, or it was left half hung."""
    names = {each.name for each in store.list()} | set(store.damaged())
    return names == {NAME} if state(folder) == BEGUN else state(folder) != DONE and not names


def batches(senses: Mapping[str, object]) -> Iterator[list[dict[str, Any]]]:
    """A few items at a time, so that callers' requests pass between them."""
    known = [
        each for each in items() if isinstance(each["content"], str) or set(each["content"]) & set(senses)
    ]
    yield from (known[start : start + AT_A_TIME] for start in range(0, len(known), AT_A_TIME))


async def fill(engine: Engine) -> int:
    """Make the collection and store the items that the model has a sense for; says how many."""
    embedder = engine.embedder
    facts = {"model": embedder.name, "identity": embedder.identity, "dimension": embedder.dim}
    collection, _ = await engine.in_index(engine.store.create, NAME, **facts)
    count = 0
    for batch in batches(embedder.senses):
        drafts = await engine.in_reader(drafts_of, batch, len(batch), embedder.senses)
        count += sum(isinstance(each, Stored) for each in await ingest(engine, collection, drafts))
    return count


async def hang(engine: Engine) -> None:
    """Wait until the engine is ready; if its data folder has never held a collection, hang the gallery.

    Never raises: what hinders it is logged, and the next start goes on with it.
    """
    while engine.hindrance is not None:
        if engine.failure is not None:
            return
        await asyncio.sleep(GLANCE_S)
    folder = engine.settings.data_dir
    try:
        if not await engine.in_index(is_wanted, engine.store, folder):
            return
        (folder / MARK).write_text(BEGUN, encoding="ascii")
        count = await fill(engine)
        (folder / MARK).write_text(DONE, encoding="ascii")
    except (SensoriumError, StoreError, OSError) as error:
        log.warning("the gallery could not be hung: %s", error)
        return
    log.info("the gallery is hung", extra={"collection": NAME, "items": count})
