"""Items on their way into a collection: embedded together, written in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from index import Collection, Item, Row, Segment
from index import errors as index_errors
from index.towers import mismatch
from models.segments import Cutting, Span
from service.batch import Vector
from service.drafts import Draft, Refused
from service.engine import Engine, cutting_of
from service.errors import LocatedError, fault_of
from service.fetching.fetched import fetched_drafts
from service.media_types import served_type
from service.parts import Media, Part, Senses, Text
from service.recordings import EmbeddedSegment
from service.serving import Served
from service.vectorizer import Embedded

WEIGHT = "weight"


@dataclass(frozen=True)
class Stored:
    """An item that is in the collection."""

    id: str
    modality: str
    notes: tuple[str, ...]
    file: str | None = None


@dataclass(frozen=True)
class Made:
    """An item with its vector."""

    draft: Draft
    item: Item
    notes: tuple[str, ...]


def refusal(draft: Draft, error: LocatedError) -> Refused:
    return Refused(error, draft.id if draft.given_id else None, draft.file)


def original_of(part: Part, senses: Senses) -> tuple[bytes | None, str | None]:
    """The file that an item was made of; a text is a file as well, a blend or a vector is none."""
    content = part.content
    if isinstance(content, Media):
        return content.data, served_type(senses[content.modality], content.data, content.media_type)
    if isinstance(content, Text):
        data = content.text.encode()
        return data, served_type(senses["text"], data)
    return None, None


def params_of(part: Part) -> dict[str, Any]:
    """What has to be known beside the file to encode it again."""
    params = dict(part.content.params) if isinstance(part.content, Media) else {}
    return params if part.weight == 1.0 else {**params, WEIGHT: part.weight}


def rows_of(whole: Vector, segments: Sequence[tuple[Span, Vector]]) -> tuple[Row, ...]:
    """The row of the whole, which stands first, and those of its segments."""
    return (
        Row(whole),
        *(Row(vector, Segment(span.start_s, span.end_s)) for span, vector in segments),
    )


def notes_of(segments: Sequence[EmbeddedSegment]) -> tuple[str, ...]:
    """What a caller is told of the segments of a recording."""
    if not segments:
        return ()
    longest = max(each.span.end_s - each.span.start_s for each in segments)
    return (f"{len(segments)} segments of {longest:.1f} s are found by themselves",)


def item_of(draft: Draft, embedded: Embedded, segments: Sequence[EmbeddedSegment], senses: Senses) -> Item:
    media, media_type = original_of(draft.part, senses)
    return Item(
        id=draft.id,
        modality=embedded.modality,
        rows=rows_of(embedded.vector, [(each.span, each.vector) for each in segments]),
        metadata=draft.metadata,
        media=media,
        media_type=media_type,
        params={} if media is None else params_of(draft.part),
    )


async def embed(model: Served, draft: Draft | Refused, cutting: Cutting) -> Made | Refused:
    if isinstance(draft, Refused):
        return draft
    try:
        embedded, segments = await model.vectorizer.embed_item(draft.part, cutting)
    except LocatedError as error:
        return refusal(draft, error)
    item = item_of(draft, embedded, segments, model.embedder.senses)
    return Made(draft, item, (*embedded.notes, *notes_of(segments)))


def check(collection: Collection, made: Made | Refused, strangers: AbstractSet[str]) -> Made | Refused:
    """Refuse here what the collection would refuse the whole transaction for.

    `strangers`: the modalities whose items there come from another tower.
    """
    if isinstance(made, Refused):
        return made
    try:
        if made.item.modality in strangers:
            raise mismatch(collection.name, made.item.modality)
        collection.check(made.item)
    except (index_errors.ParameterError, index_errors.IdentityMismatch) as error:
        return refusal(made.draft, LocatedError(error, made.draft.where))
    return made


def outcomes(checked: Sequence[Made | Refused]) -> Iterator[Stored | Refused]:
    """What became of each; content that came before in the request says so, since both are one item."""
    first: dict[str, str] = {}
    for each in checked:
        if isinstance(each, Refused):
            yield each
            continue
        before = first.setdefault(each.item.id, each.draft.where)
        again = f"the same content as {before}: one item is stored, with the metadata given last"
        notes = each.notes if before == each.draft.where else (*each.notes, again)
        yield Stored(each.item.id, each.item.modality, notes, each.draft.file)


async def ingest(
    engine: Engine, collection: Collection, drafts: Sequence[Draft | Refused]
) -> list[Stored | Refused]:
    """Embed and write what can be; the others' neighbours are not touched. Raises OverloadedError."""
    drafts = await fetched_drafts(drafts, engine.fetcher)
    parts = [draft.part for draft in drafts if isinstance(draft, Draft)]
    model = engine.model_of(collection)
    cutting = cutting_of(engine.settings, model.embedder)
    with model.vectorizer.admission(parts):
        embedded = await asyncio.gather(*(embed(model, draft, cutting) for draft in drafts))
    bound = model.embedder.bound
    strangers = await engine.in_index(collection.strangers, bound) if bound else set[str]()
    checked = [check(collection, each, strangers) for each in embedded]
    items = {each.item.id: each.item for each in checked if isinstance(each, Made)}
    if items:
        await engine.in_index(collection.upsert, list(items.values()), bound)
    for each in checked:
        if isinstance(each, Refused):
            engine.metrics.refused(fault_of(each.error).code)
    return list(outcomes(checked))


def result_object(result: Stored | Refused) -> Mapping[str, Any]:
    """One entry of the answer's `results`."""
    named = {} if result.file is None else {"file": result.file}
    if isinstance(result, Stored):
        facts = {"id": result.id, "status": "stored", "modality": result.modality, "notes": result.notes}
        return {**facts, **named}
    return {"id": result.id, "status": "error", "error": fault_of(result.error).object(), **named}
