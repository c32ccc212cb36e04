"""Parts whose files lie behind addresses -> parts that hold them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from service.drafts import Draft, Refused, content_id
from service.errors import LocatedError
from service.fetching.fetcher import Errand, Fetcher
from service.parts import Fused, Media, Part, Remote, leaves


def remotes(parts: Sequence[Part]) -> int:
    """How many files have to be fetched."""
    return sum(isinstance(leaf.content, Remote) for part in parts for leaf in leaves(part))


async def fetched(part: Part, fetcher: Fetcher, errand: Errand) -> Part:
    """The part with its files. Raises LocatedError with the place of one that cannot be had."""
    content = part.content
    if isinstance(content, Fused):
        inner = await all_fetched(content.parts, fetcher, errand)
        return replace(part, content=Fused(tuple(inner)))
    if not isinstance(content, Remote):
        return part
    try:
        file = await fetcher.fetch(content.address, errand)
    except Exception as error:
        raise LocatedError(error, part.where) from error
    return replace(part, content=Media(content.modality, file.data, file.media_type, content.params))


async def all_fetched(parts: Sequence[Part], fetcher: Fetcher, errand: Errand) -> list[Part]:
    """In order; where one fails, the others are given up and its error is raised."""
    tasks = [asyncio.ensure_future(fetched(part, fetcher, errand)) for part in parts]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()


async def fetched_parts(parts: Sequence[Part], fetcher: Fetcher) -> Sequence[Part]:
    """The parts of one request. Raises LocatedError, OverloadedError."""
    count = remotes(parts)
    if not count:
        return parts
    with fetcher.admission(count):
        return await all_fetched(parts, fetcher, fetcher.errand())


async def fetched_draft(draft: Draft | Refused, fetcher: Fetcher, errand: Errand) -> Draft | Refused:
    """An item with its files; one that cannot be had refuses the item alone."""
    if isinstance(draft, Refused) or not remotes([draft.part]):
        return draft
    try:
        part = await fetched(draft.part, fetcher, errand)
    except LocatedError as error:
        return Refused(error, draft.id if draft.given_id else None, draft.file)
    return replace(draft, part=part, id=draft.id if draft.given_id else content_id(part))


async def fetched_drafts(drafts: Sequence[Draft | Refused], fetcher: Fetcher) -> Sequence[Draft | Refused]:
    """The items of one request. Raises OverloadedError."""
    count = remotes([draft.part for draft in drafts if isinstance(draft, Draft)])
    if not count:
        return drafts
    with fetcher.admission(count):
        errand = fetcher.errand()
        return await asyncio.gather(*(fetched_draft(draft, fetcher, errand) for draft in drafts))
