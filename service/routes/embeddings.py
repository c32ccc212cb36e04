"""OpenAI-compatible embeddings of parts, and of uploaded files."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Request
from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field

from models.embedder import Embedder
from models.errors import ParameterError
from models.modalities import Modality
from service.answers import Answer
from service.batch import Vector
from service.dependencies import ReadyEngine
from service.errors import LocatedError, UnknownPathError, unknown_modality
from service.openapi import EMBEDDING_EXAMPLES, INPUTS, MaybeModality, ModalityName, errors, upload_body
from service.parts import Media, Part, Senses
from service.peers import parts_of
from service.requests import StrictRoute, read_upload, validated
from service.vectorizer import Embedded

PATH = "/v1/embeddings"
UPLOADS = f"{PATH}/{{modality}}"

router = APIRouter(prefix="/v1", tags=["embeddings"], route_class=StrictRoute)


def only_one(value: Any) -> Any:
    """Jina's clients ask for a list of formats, of which one is given here."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


class Options(BaseModel):
    """What may be asked of an embedding, whatever its input."""

    model: str | None = Field(default=None, description="one of the loaded models; left out, the default one")
    encoding_format: Annotated[Literal["float", "base64"] | None, BeforeValidator(only_one)] = Field(
        default="float",
        validation_alias=AliasChoices("encoding_format", "embedding_type", "output_encoding"),
        description="`base64` = little-endian float32",
    )
    output_dtype: Literal["float"] | None = Field(default=None, description="Voyage's; nothing else is given")
    dimensions: int | None = Field(
        default=None,
        ge=1,
        validation_alias=AliasChoices("dimensions", "output_dimension"),
        description="only the leading ones, renormalised; for models that allow it",
    )
    normalize: bool = Field(
        default=True,
        validation_alias=AliasChoices("normalize", "normalized"),
        description="`false`: the raw output of the model's head",
    )


class EmbeddingsRequest(Options):
    """OpenAI's request; unknown fields are ignored, as OpenAI's clients expect."""

    model_config = ConfigDict(extra="ignore", json_schema_extra={"examples": EMBEDDING_EXAMPLES})

    input: Annotated[Any, INPUTS] = None
    inputs: Annotated[Any, INPUTS] = Field(default=None, description="in place of `input`: as Cohere, Voyage")
    messages: list[Any] | None = Field(
        default=None, description="in place of `input`: vLLM's; one vector, the blend of all that they hold"
    )
    texts: list[str] | None = Field(default=None, description="in place of `input`: Cohere's")
    images: list[str] | None = Field(default=None, description="in place of `input`: Cohere's, data URIs")
    modality: MaybeModality = Field(
        default=None, description="bare strings of `input` are media of this modality, as base64 or data URI"
    )
    user: Any = Field(default=None, description="ignored")


class UploadOptions(Options):
    """The form's fields; what is no option is a parameter of the decoder."""

    model_config = ConfigDict(extra="allow")


class Embedding(BaseModel):
    object: Literal["embedding"]
    index: int
    embedding: list[float] | str
    modality: str
    notes: list[str]
    file: str | None = None


class Usage(BaseModel):
    prompt_tokens: int
    total_tokens: int


class EmbeddingList(BaseModel):
    object: Literal["list"]
    model: str
    data: list[Embedding]
    usage: Usage


def known_modality(name: str, senses: Senses) -> str:
    if name not in senses:
        raise LocatedError(unknown_modality(name, senses), "modality")
    return name


def check_options(options: Options, embedder: Embedder) -> None:
    """Raise LocatedError where the model cannot do what is asked."""
    if options.dimensions is None or options.dimensions == embedder.dim:
        return
    if not embedder.allows_shortening or options.dimensions > embedder.dim:
        allowed = f"1 to {embedder.dim}" if embedder.allows_shortening else f"only {embedder.dim}"
        message = f"{embedder.name} gives {embedder.dim} dimensions; `dimensions` may be {allowed}"
        raise LocatedError(ParameterError(message), "dimensions")


def shortened(vector: Vector, options: Options) -> Vector:
    """The leading dimensions, renormalised unless the raw output was asked for."""
    if options.dimensions is None or options.dimensions >= len(vector):
        return vector
    leading = vector[: options.dimensions]
    norm = float(np.linalg.norm(leading))
    return leading / np.float32(norm) if options.normalize and norm else leading.copy()


def encoded(vector: Vector, encoding_format: str | None) -> Vector | str:
    if encoding_format == "base64":
        return base64.b64encode(vector.astype("<f4").tobytes()).decode()
    return np.ascontiguousarray(vector)


def listing(
    embedded: Sequence[Embedded], options: Options, embedder: Embedder, files: Sequence[str] = ()
) -> Answer:
    data = [
        {
            "object": "embedding",
            "index": i,
            "embedding": encoded(shortened(one.vector, options), options.encoding_format),
            "modality": one.modality,
            "notes": one.notes,
        }
        for i, one in enumerate(embedded)
    ]
    for entry, name in zip(data, files, strict=False):
        entry["file"] = name
    tokens = sum(one.tokens for one in embedded)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return Answer({"object": "list", "model": embedder.name, "data": data, "usage": usage})


@router.post("/embeddings", response_model=EmbeddingList, responses=errors(400, 404, 413, 415, 422, 429, 503))
async def embed(body: EmbeddingsRequest, engine: ReadyEngine) -> Answer:
    """Vectors of texts, token ids and media; one failing input fails the request, its place in `param`."""
    model = engine.model(body.model)
    check_options(body, model.embedder)
    senses = model.embedder.senses
    strings = "text" if body.modality is None else known_modality(body.modality, senses)
    most = engine.settings.max_batch_items
    parts = await engine.fetched(await engine.in_reader(parts_of, vars(body), most, strings, senses))
    embedded = await model.vectorizer.embed_all(parts, normalize=body.normalize)
    return listing(embedded, body, model.embedder)


def decoder_params(modality: Modality, fields: dict[str, Any]) -> dict[str, Any]:
    """The form fields that the modality's decoder takes. Raises LocatedError for any other."""
    accepted = modality.params
    for name in fields:
        if name not in accepted:
            also = ", ".join((*accepted, *Options.model_fields))
            raise LocatedError(ParameterError(f"unknown form field {name!r}; accepted: file, {also}"), name)
    return fields


@router.post(
    "/embeddings/{modality}",
    response_model=EmbeddingList,
    responses=errors(400, 404, 413, 415, 422, 429, 503),
    openapi_extra=upload_body("One or more files of the path's modality.", Options),
)
async def embed_files(modality: ModalityName, request: Request, engine: ReadyEngine) -> Answer:
    """Vectors of uploaded files; form fields as in the part of the modality (`sample_rate`, `unit`, ..)."""
    if modality not in engine.senses:
        raise UnknownPathError(f"no modality {modality!r}; there are {', '.join(engine.senses)}")
    settings = engine.settings
    upload = await read_upload(request, settings.max_batch_items, settings.max_body_bytes)
    options = validated(UploadOptions, upload.fields)
    model = engine.model(options.model)
    check_options(options, model.embedder)
    known_modality(modality, model.embedder.senses)
    params = decoder_params(model.embedder.senses[modality], options.model_extra or {})
    parts = [
        Part(Media(modality, file.data, file.media_type, params), f"file[{i}]")
        for i, file in enumerate(upload.files)
    ]
    embedded = await model.vectorizer.embed_all(parts, normalize=options.normalize)
    return listing(embedded, options, model.embedder, [file.name for file in upload.files])
