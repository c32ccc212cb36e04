"""How bodies are read: strict JSON through orjson, forms with their files; anything else is refused."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar, get_type_hints

import orjson
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import AfterValidator, BaseModel, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser

from index import filters
from index.errors import FilterError
from models.errors import ParameterError
from service.errors import LocatedError, TooLargeError, WrongTypeError
from service.json_kinds import alternatives, problems
from service.query_names import QueryRoute

Model = TypeVar("Model", bound=BaseModel)
FILE_FIELD = "file"


def checked_filter(value: dict[str, Any]) -> dict[str, Any]:
    """A filter that follows the grammar. Raises LocatedError around FilterError."""
    try:
        filters.parse(value)
    except FilterError as error:
        raise LocatedError(error, "filter") from error
    return value


Filter = Annotated[dict[str, Any], AfterValidator(checked_filter)]


def media_type_of(request: Request) -> str:
    """The body's media type without its parameters; an absent one counts as JSON."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return given or "application/json"


def is_json(request: Request) -> bool:
    kind = media_type_of(request)
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def has_body(request: Request) -> bool:
    return "transfer-encoding" in request.headers or request.headers.get("content-length", "0") != "0"


def check_encoding(request: Request) -> None:
    """Raise WrongTypeError for a body that is packed."""
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        raise WrongTypeError(f"the content-encoding {encoding!r} is not read; send the body unpacked")


class JSONRequest(Request):
    """A request whose JSON is read by orjson: quick, strictly UTF-8, no NaN, at most 1024 levels deep."""

    async def json(self) -> Any:
        if not hasattr(self, "_json"):
            self._json = orjson.loads(await self.body())
        return self._json


def is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


async def check_kinds(request: JSONRequest, models: Sequence[type[BaseModel]]) -> None:
    """Raise RequestValidationError for text in place of a number and the like; what is no JSON is let by."""
    if not models:
        return
    with suppress(orjson.JSONDecodeError):
        value = await request.json()
        if found := [each for model in models for each in problems(model, value)]:
            raise RequestValidationError(found)


class StrictRoute(QueryRoute):
    """A route whose JSON body has to say that it is one."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()
        takes_json = self.body_field is not None
        hints = get_type_hints(self.endpoint).values() if takes_json else ()
        models = [each for hint in hints for each in alternatives(hint) if is_model(each)]

        async def handle(request: Request) -> Response:
            check_encoding(request)
            if takes_json and has_body(request) and not is_json(request):
                raise WrongTypeError(
                    f"the body is {media_type_of(request)}; this endpoint reads JSON, "
                    "which the header `content-type: application/json` has to say"
                )
            read = JSONRequest(request.scope, request.receive)
            if has_body(request):
                await check_kinds(read, models)
            return await handler(read)

        return handle


def validated(model: type[Model], value: Any) -> Model:
    """`value` as `model`. Raises RequestValidationError with the places of the request."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problems = [{**each, "loc": ("body", *each["loc"])} for each in error.errors()]
        raise RequestValidationError(problems) from error


async def read_json(request: Request, model: type[Model]) -> Model:
    """A JSON body as `model`, for routes with several kinds of body. Raises RequestValidationError."""
    try:
        value = await request.json()
    except orjson.JSONDecodeError as error:
        problem = {"type": "json_invalid", "loc": ("body",), "msg": "", "ctx": {"error": error.msg}}
        raise RequestValidationError([problem]) from error
    return validated(model, value)


@dataclass(frozen=True)
class File:
    """One uploaded file."""

    name: str
    data: bytes = field(repr=False)
    media_type: str | None


@dataclass(frozen=True)
class Upload:
    """A form: its files and its other fields."""

    files: list[File]
    fields: Mapping[str, str]


def misplaced(name: str) -> str:
    if name == FILE_FIELD:
        return "`file` has to be a file with a file name, not a plain field"
    return f"files are sent as `file`, not as {name!r}"


async def upload_of(form: FormData) -> Upload:
    files, fields = [], {}
    for name, value in form.multi_items():
        if isinstance(value, UploadFile) != (name == FILE_FIELD):
            raise LocatedError(ParameterError(misplaced(name)), name)
        if isinstance(value, UploadFile):
            files.append(File(value.filename or "", await value.read(), value.content_type))
        elif name in fields:
            message = f"the form field {name!r} came more than once; send it once, it counts for every file"
            raise LocatedError(ParameterError(message), name)
        else:
            fields[name] = value
    if not files:
        raise LocatedError(ParameterError("the form holds no file; send at least one as `file`"), FILE_FIELD)
    return Upload(files, fields)


def too_many_files(most: int) -> LocatedError:
    message = f"more than {most} files, or as many other fields, in one form (SENSORIUM_MAX_BATCH_ITEMS)"
    return LocatedError(TooLargeError(message), FILE_FIELD)


class WholeForm(MultiPartParser):
    """Starlette's parser, which by itself leaves out a last file that breaks off, in silence."""

    _ended = False

    def on_end(self) -> None:
        self._ended = True

    async def parse(self) -> FormData:
        """Raises MultiPartException for a form that is broken or not whole."""
        form = await super().parse()
        if not self._ended:
            await form.close()
            raise MultiPartException("the form breaks off before its last boundary; a file may be missing")
        return form


async def read_upload(request: Request, most_files: int, most_bytes: int) -> Upload:
    """A multipart form with the field `file`, repeated as often as there are files.

    Raises WrongTypeError, LocatedError around ParameterError or TooLargeError, HTTPException 400 for a
    broken form.
    """
    if media_type_of(request) != "multipart/form-data":
        raise WrongTypeError(
            f"the body is {media_type_of(request)}; send multipart/form-data with the field `file`"
        )
    try:
        async with aclosing(request.stream()) as stream:
            form = await WholeForm(
                request.headers,
                stream,
                max_files=most_files,
                max_fields=most_files,
                max_part_size=most_bytes,
            ).parse()
    except MultiPartException as error:
        if error.message.startswith("Too many"):
            raise too_many_files(most_files) from error
        raise HTTPException(400, error.message) from error
    try:
        return await upload_of(form)
    finally:
        await form.close()
