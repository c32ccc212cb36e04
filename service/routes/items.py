"""Items of a collection: stored, listed, read and deleted."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator

from index import StoredItem
from models.errors import ParameterError
from service.answers import Answer
from service.dependencies import ReadyEngine
from service.drafts import Draft, FileFields, Refused, drafts_of, drafts_of_files
from service.engine import Engine
from service.errors import Fault, LocatedError, WrongTypeError, fault_of, unknown_modality
from service.ingest import Stored, ingest, result_object
from service.openapi import ITEM_EXAMPLES, CollectionName, MaybeModality, component, errors, items_body
from service.parts import Senses
from service.requests import Filter, StrictRoute, is_json, media_type_of, read_json, read_upload
from service.times import timestamp
from service.whole_numbers import may_be_rounded, read_exactly

router = APIRouter(prefix="/v1/collections/{name}/items", tags=["items"], route_class=StrictRoute)
NOTHING_STORED = 422
SEVERE = 500


class ItemsRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": ITEM_EXAMPLES})

    items: list[Any] = Field(min_length=1, json_schema_extra={"items": component("NewItem")})


class ItemResult(BaseModel):
    """`modality` and `notes` of a stored item, `error` of another."""

    id: str | None
    status: Literal["stored", "error"]
    modality: str | None = None
    notes: list[str] | None = None
    error: dict[str, Any] | None = None
    file: str | None = None


class ItemsAnswer(BaseModel):
    """`stored` counts items: content that comes twice without an id has two results and makes one."""

    results: list[ItemResult]
    stored: int
    failed: int


class SegmentAnswer(BaseModel):
    """A stretch of a recording, in seconds from its beginning."""

    start_s: float
    end_s: float


class ItemAnswer(BaseModel):
    id: str
    modality: str
    metadata: dict[str, Any]
    created_at: str
    segments: list[SegmentAnswer] | None = Field(
        default=None, description="stretches of a long recording that are found by themselves"
    )
    vector: list[float] | None = Field(default=None, description="that of the whole of it")


class ItemPage(BaseModel):
    items: list[ItemAnswer]
    next_cursor: str | None


class Deleted(BaseModel):
    deleted: int


class DeleteRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"ids": ["a", "b"]}]})

    ids: list[str] | None = Field(default=None, min_length=1)
    filter: Filter | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _one_of_two(self) -> DeleteRequest:
        if (self.ids is None) == (self.filter is None):
            raise ValueError("give either `ids` or `filter`")
        return self


def by_file_name(text: str, field: str) -> dict[str, Any]:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise LocatedError(ParameterError(f"`{field}` is not valid JSON: {error.msg}"), field) from error
    if not isinstance(value, dict):
        raise LocatedError(ParameterError(f"`{field}` has to be a JSON object by file name"), field)
    exact: dict[str, Any] = read_exactly(text) if may_be_rounded(value) else value
    return exact


def file_fields(fields: dict[str, str], senses: Senses) -> FileFields:
    """The form's fields beside its files. Raises LocatedError."""
    modality = fields.pop("modality", None)
    if modality is not None and modality not in senses:
        raise LocatedError(unknown_modality(modality, senses), "modality")
    metadata, ids = (by_file_name(fields.pop(field, "{}"), field) for field in ("metadata", "ids"))
    if not all(isinstance(each, str) for each in ids.values()):
        raise LocatedError(ParameterError("every id has to be a string"), "ids")
    accepted = {param for each in senses.values() for param in each.params}
    for field in fields:
        if field not in accepted:
            also = ", ".join(("modality", "metadata", "ids", *sorted(accepted)))
            raise LocatedError(ParameterError(f"unknown form field {field!r}; accepted: file, {also}"), field)
    return FileFields(modality, fields, metadata, ids, senses)


def check_names(fields: FileFields, names: Collection[str]) -> None:
    """Raise LocatedError where metadata or ids name a file that did not come."""
    for field, by_name in (("metadata", fields.metadata), ("ids", fields.ids)):
        for name in by_name:
            if name not in names:
                message = f"`{field}` names {name!r}; the files are {', '.join(sorted(names))}"
                raise LocatedError(ParameterError(message), field)


def drafts_of_body(items: list[Any], data: bytes, most: int, senses: Senses) -> list[Draft | Refused]:
    """The items that were read from `data`. Raises LocatedError."""
    if any(may_be_rounded(each.get("metadata")) for each in items if isinstance(each, dict)):
        items = read_exactly(data)["items"]
    return drafts_of(items, most, senses)


async def requested(request: Request, engine: Engine, senses: Senses) -> list[Draft | Refused]:
    """The items of a JSON body or a form. Raises LocatedError, RequestValidationError, WrongTypeError."""
    most = engine.settings.max_batch_items
    if is_json(request):
        body = await read_json(request, ItemsRequest)
        return await engine.in_reader(drafts_of_body, body.items, await request.body(), most, senses)
    if media_type_of(request) != "multipart/form-data":
        message = f"the body is {media_type_of(request)}; send application/json or multipart/form-data"
        raise WrongTypeError(message)
    upload = await read_upload(request, most, engine.settings.max_body_bytes)
    fields = file_fields(dict(upload.fields), senses)
    check_names(fields, {file.name for file in upload.files})
    return await engine.in_reader(drafts_of_files, upload.files, fields)


def summary(results: list[Stored | Refused]) -> dict[str, Any]:
    return {
        "results": [result_object(each) for each in results],
        "stored": len({each.id for each in results if isinstance(each, Stored)}),
        "failed": sum(isinstance(each, Refused) for each in results),
    }


def nothing_stored(results: list[Stored | Refused], faults: list[Fault]) -> Answer:
    """422, or the server's own fault where there is one."""
    worst = max(faults, key=lambda fault: fault.status)
    status = worst.status if worst.status >= SEVERE else NOTHING_STORED
    first = worst if worst.status >= SEVERE else faults[0]
    return Answer({"error": first.object(), **summary(results)}, status, headers=dict(first.headers))


@router.post(
    "",
    response_model=ItemsAnswer,
    responses=errors(400, 404, 409, 413, 415, 422, 429, 503, 507),
    openapi_extra=items_body(),
)
async def store_items(name: CollectionName, request: Request, engine: ReadyEngine) -> Answer:
    """Store or replace items, each with its own result; 200 means that the stored ones are durable.

    Where nothing could be stored the answer is 422, with `error` beside `results`.
    """
    collection = await engine.in_index(engine.collection, name)
    drafts = await requested(request, engine, engine.model_of(collection).embedder.senses)
    results = await ingest(engine, collection, drafts)
    refused = [fault_of(each.error) for each in results if isinstance(each, Refused)]
    if len(refused) == len(results):
        return nothing_stored(results, refused)
    return Answer(summary(results))


def described(item: StoredItem) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "id": item.id,
        "modality": item.modality,
        "metadata": item.metadata,
        "created_at": timestamp(item.created_at),
    }
    segments = [{"start_s": each.start_s, "end_s": each.end_s} for each in item.segments if each is not None]
    if segments:
        facts["segments"] = segments
    return facts if item.vector is None else {**facts, "vector": item.vector}


@router.get("", response_model=ItemPage, responses=errors(400, 404, 503))
async def list_items(  # noqa: PLR0913, PLR0917 - the query's fields
    name: CollectionName,
    engine: ReadyEngine,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: str | None = None,
    modality: MaybeModality = None,
    with_vector: bool = False,  # noqa: FBT001, FBT002 - a field of the query
) -> Answer:
    """A page of items in the order they were first stored."""
    if modality is not None and modality not in engine.senses:
        raise LocatedError(unknown_modality(modality, engine.senses), "modality")
    collection = await engine.in_index(engine.store.get, name)
    page = await engine.in_index(collection.page, limit, cursor, modality, with_vector=with_vector)
    items = [described(item) for item in page.items]
    return Answer({"items": items, "next_cursor": page.next_cursor})


@router.post("/delete", response_model=Deleted, responses=errors(400, 404, 413, 415, 503, 507))
async def delete_items(name: CollectionName, body: DeleteRequest, engine: ReadyEngine) -> Answer:
    """Delete by ids or by filter; ids that are not there are passed over."""
    collection = await engine.in_index(engine.store.get, name)
    if body.ids is not None:
        return Answer({"deleted": await engine.in_index(collection.delete, body.ids)})
    return Answer({"deleted": await engine.in_index(collection.delete_where, body.filter)})


@router.get("/{item_id:path}", response_model=ItemAnswer, responses=errors(400, 404, 503))
async def read_item(
    name: CollectionName,
    item_id: str,
    engine: ReadyEngine,
    with_vector: bool = False,  # noqa: FBT001, FBT002 - a field of the query
) -> Answer:
    """One item."""
    collection = await engine.in_index(engine.store.get, name)
    return Answer(described(await engine.in_index(collection.get, item_id, with_vector=with_vector)))


@router.delete("/{item_id:path}", response_model=Deleted, responses=errors(400, 404, 503, 507))
async def delete_item(name: CollectionName, item_id: str, engine: ReadyEngine) -> Answer:
    """Delete one item; 404 where there is none."""
    collection = await engine.in_index(engine.store.get, name)
    await engine.in_index(collection.get, item_id)
    return Answer({"deleted": await engine.in_index(collection.delete, [item_id])})
