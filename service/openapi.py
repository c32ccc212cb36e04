"""The parts of the OpenAPI document that the routes cannot say with types alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import FastAPI, Path
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, WithJsonSchema

from models.modalities import Modality
from service.engine import Engine
from service.parts import OPENAI_MEDIA, Senses

MARK = "x-component"
WEIGHT = {"type": "number", "default": 1, "description": "share in a blend; may be negative"}
MEANINGS = {
    400: "Malformed JSON or a parameter that is unknown or outside its range.",
    404: "No such model, modality, collection or item.",
    409: "The collection belongs to another model.",
    413: "The body, the number of items or what a file claims is over a limit.",
    415: "A media type that is not read here.",
    422: "Media or a value that cannot be used.",
    429: "The queue is full; come back after Retry-After seconds.",
    500: "An unexpected error; the log holds its cause under the request id.",
    503: "Not ready, or the collection is damaged; come back after Retry-After seconds.",
    507: "The disk is full and nothing was written; come back after Retry-After seconds.",
}


class ErrorObject(BaseModel):
    """What went wrong, in OpenAI's words. `param` is the place in the request, such as `input[3]`."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(BaseModel):
    error: ErrorObject


CollectionName = Annotated[
    str,
    Path(description="the collection", json_schema_extra={"pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"}),
]
ONE_MODALITY: dict[str, Any] = {MARK: "Modality"}
ModalityName = Annotated[str, Path(json_schema_extra=ONE_MODALITY)]
MaybeModality = Annotated[str | None, WithJsonSchema({"anyOf": [ONE_MODALITY, {"type": "null"}]})]


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The documented errors of a route, 500 always among them."""
    return {status: {"model": ErrorBody, "description": MEANINGS[status]} for status in (*statuses, 500)}


def component(name: str) -> dict[str, Any]:
    """A mark that becomes a reference to a component of this name."""
    return {MARK: name}


PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGNgYGgAAACEAIHJde6S"
    "AAAAAElFTkSuQmCC"
)
PART = WithJsonSchema(component("Part"))
INPUTS = WithJsonSchema(component("Inputs"))
QUERY = WithJsonSchema(component("Inputs"))
ITEM_EXAMPLES: list[Any] = [
    {"items": [{"id": "note-1", "content": "a dog barking", "metadata": {"lang": "en"}}]},
    {"items": [{"content": {"image": PIXEL}}]},
]
SEARCH_EXAMPLES: list[Any] = [
    {"query": "a dog barking", "limit": 5},
    {"query": [{"text": "a beach"}, {"text": "people", "weight": -0.5}], "modalities": ["image", "text"]},
    {"query": {"id": "note-1"}, "filter": {"must": [{"key": "lang", "match": {"value": "en"}}]}},
]
EMBEDDING_EXAMPLES: list[Any] = [
    {"input": "a dog barking"},
    {"input": ["a dog barking", "rain on a roof"], "encoding_format": "base64"},
    {"input": [{"text": "a dog barking"}, {"image": PIXEL}]},
    {"input": {"parts": [{"text": "a dog"}, {"text": "snow", "weight": -0.5}]}},
]


def one_key(key: str, value: Mapping[str, Any], more: Mapping[str, Any], description: str) -> dict[str, Any]:
    """Schema of a part with the content key `key`."""
    return {
        "type": "object",
        "description": description,
        "properties": {key: value, **more, "weight": WEIGHT},
        "required": [key],
        "additionalProperties": False,
    }


FILE = {
    "type": "string",
    "contentEncoding": "base64",
    "description": "base64, bare or as a data URI; an https address where fetching is switched on",
}
PARAMS: Mapping[str, Mapping[str, Any]] = {
    "unit": {"type": "string", "description": 'depth: "m", "mm" or "relative"; imu: "si" or "g"'},
    "fx": {"type": "number", "description": "focal length [px]"},
    "baseline": {"type": "number", "description": "distance of the stereo cameras [m]"},
    "min_c": {"type": "number", "description": "temperature of the coldest value [degrees C]"},
    "max_c": {"type": "number", "description": "temperature of the warmest value [degrees C]"},
    "sample_rate": {"type": "number", "description": "samples per second [Hz]"},
    "clips": {"type": "integer", "description": "how many clips to take from the recording"},
}


def media_part(accepted: Modality) -> dict[str, Any]:
    params = {name: PARAMS.get(name, {}) for name in accepted.params}
    return one_key(accepted.name, FILE, params, f"A file: {', '.join(accepted.media_types)}")


def openai_parts() -> list[dict[str, Any]]:
    text = {"type": "object", "properties": {"type": {"const": "text"}, "text": {"type": "string"}}}
    kinds = [{**text, "required": ["type", "text"]}]
    for name, (_, field) in OPENAI_MEDIA.items():
        holder = {"anyOf": [{"type": "object", "properties": {field: FILE}, "required": [field]}, FILE]}
        properties = {"type": {"const": name}, name: holder, "weight": WEIGHT}
        kinds.append({"type": "object", "properties": properties, "required": ["type", name]})
    return kinds


def new_item(text: Any, vector: Any, modality: Any) -> dict[str, Any]:
    named = {"id": {**text, "maxLength": 512}, "metadata": {"type": "object"}}
    content = {"content": component("Part"), **named}
    ready = {"vector": vector, "modality": modality, **named}
    closed = {"type": "object", "additionalProperties": False}
    return {
        "anyOf": [
            {**closed, "properties": content, "required": ["content"]},
            {**closed, "properties": ready, "required": ["vector"]},
        ],
        "description": "Content or a ready vector; without `id` the content's hash is the id.",
    }


def components(senses: Senses) -> dict[str, Any]:
    """The part grammar as JSON schemas."""
    text, modality = {"type": "string", "minLength": 1}, {"enum": list(senses), "default": "text"}
    vector = {"type": "array", "items": {"type": "number"}, "minItems": 1}
    blend = {"type": "array", "items": component("Part"), "minItems": 1}
    named = {
        "TextPart": one_key("text", text, {}, "A text in UTF-8."),
        **{f"{name.capitalize()}Part": media_part(each) for name, each in senses.items() if name != "text"},
        "StoredPart": one_key("id", text, {}, "A stored item (in searches)."),
        "VectorPart": one_key("vector", vector, {"modality": modality}, "A ready vector of that modality."),
        "BlendPart": one_key("parts", blend, {}, "Weighted sum of the unit vectors, normalised."),
        "OpenAIPart": {"anyOf": openai_parts(), "description": "OpenAI's content parts."},
        "TokenIds": {
            "type": "array",
            "items": {"type": "integer", "minimum": 0},
            "minItems": 1,
            "description": "One text as token ids of the model's tokenizer.",
        },
    }
    part = {"anyOf": [text, *(component(name) for name in named)], "description": "One piece of content."}
    inputs = {"anyOf": [component("Part"), {"type": "array", "items": component("Part"), "minItems": 1}]}
    known = {"enum": list(senses), "description": "One of the modalities that are loaded."}
    item = new_item(text, vector, modality)
    return {**named, "Modality": known, "Part": part, "Inputs": inputs, "NewItem": item}


def named_examples(examples: Sequence[Any]) -> dict[str, Any]:
    return {f"example-{i}": {"value": value} for i, value in enumerate(examples, start=1)}


def form_content(
    description: str, options: type[BaseModel] | None, more: Mapping[str, Any]
) -> dict[str, Any]:
    files = {"type": "array", "items": {"type": "string", "format": "binary"}, "minItems": 1}
    fields = options.model_json_schema()["properties"] if options else {}
    properties = {"file": files, **fields, **PARAMS, **more}
    schema = {"type": "object", "description": description, "properties": properties, "required": ["file"]}
    return {"multipart/form-data": {"schema": schema}}


def items_body() -> dict[str, Any]:
    """`openapi_extra` of the route that takes items as JSON or as a form."""
    items = {"type": "array", "items": component("NewItem"), "minItems": 1}
    schema = {"type": "object", "properties": {"items": items}, "required": ["items"]}
    by_name = {"type": "string", "contentMediaType": "application/json"}
    more = {
        "modality": {**ONE_MODALITY, "description": "where the media type does not say it"},
        "metadata": {**by_name, "description": "JSON object: file name -> metadata"},
        "ids": {**by_name, "description": "JSON object: file name -> id"},
    }
    json_content = {"application/json": {"schema": schema, "examples": named_examples(ITEM_EXAMPLES)}}
    form = form_content("Files; each becomes an item.", None, more)
    return {"requestBody": {"required": True, "content": {**json_content, **form}}}


def upload_body(
    description: str, options: type[BaseModel], more: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """`openapi_extra` of a route that takes a form with files and the fields of `options`."""
    return {"requestBody": {"required": True, "content": form_content(description, options, more or {})}}


def without_unused(written: dict[str, Any]) -> dict[str, Any]:
    """FastAPI documents a 422 in its own form wherever there are parameters; here that is 400 in OpenAI's."""
    unused = "HTTPValidationError"
    for operations in written["paths"].values():
        for operation in operations.values():
            if unused in str(operation["responses"].get("422")):
                del operation["responses"]["422"]
    for name in (unused, "ValidationError"):
        written["components"]["schemas"].pop(name, None)
    return written


def resolved(value: Any) -> Any:
    """`value` with every mark replaced by the reference it stands for."""
    if isinstance(value, dict):
        if MARK in value:
            return {"$ref": f"#/components/schemas/{value[MARK]}"}
        return {key: resolved(each) for key, each in value.items()}
    return [resolved(each) for each in value] if isinstance(value, list) else value


def install(app: FastAPI) -> None:
    """Make `app.openapi()` give the whole document, made anew only where modalities have been added."""
    described: list[str] = []
    engine: Engine = app.state.engine

    def document() -> dict[str, Any]:
        if app.openapi_schema is None or described != list(engine.senses):
            described[:] = engine.senses
            written = get_openapi(
                title=app.title, version=app.version, description=app.description, routes=app.routes
            )
            written["components"]["schemas"].update(components(engine.senses))
            app.openapi_schema = resolved(without_unused(written))
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign] # FastAPI's documented way to extend the document
