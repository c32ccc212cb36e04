"""Label sets: what `classify` may call things, stored under a name."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from service.answers import Answer
from service.dependencies import AnyEngine
from service.label_sets import LabelSet
from service.labels import MOST_STORED_PROMPTS, LabelsField, TemplatesField, check_prompts
from service.openapi import errors
from service.requests import StrictRoute
from service.times import timestamp

router = APIRouter(prefix="/v1/label-sets", tags=["zero-shot"], route_class=StrictRoute)
CREATED, REPLACED = 201, 200
LabelSetName = Annotated[
    str,
    Path(description="the label set", json_schema_extra={"pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"}),
]


def given(labels: Any) -> Any:
    """Raises ValueError for null, which elsewhere means that a stored set is to be taken."""
    if labels is None:
        raise ValueError("has to be a list of texts")
    return labels


class LabelSetRequest(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"labels": ["dog", "rooster", "rain"], "templates": "imagebind"}]},
    )

    labels: Annotated[LabelsField, AfterValidator(given)]
    templates: TemplatesField = Field(
        default="plain", description="prompts with {} for the label, or their name"
    )


class LabelSetAnswer(BaseModel):
    name: str
    labels: list[str]
    templates: list[str] | str
    created_at: str


class LabelSetSummary(BaseModel):
    """`count`: how many labels."""

    name: str
    count: int
    templates: list[str] | str
    created_at: str


class LabelSetList(BaseModel):
    object: Literal["list"]
    data: list[LabelSetSummary]


class Dropped(BaseModel):
    name: str
    deleted: bool


def described(found: LabelSet) -> dict[str, Any]:
    return {
        "name": found.name,
        "labels": found.labels,
        "templates": found.templates,
        "created_at": timestamp(found.created_at),
    }


def summary(found: LabelSet) -> dict[str, Any]:
    facts = described(found)
    count = len(facts.pop("labels"))
    return {**facts, "count": count}


@router.put(
    "/{name}",
    response_model=LabelSetAnswer,
    responses={
        **errors(400, 413, 415, 507),
        CREATED: {"model": LabelSetAnswer, "description": "There was none of this name."},
    },
)
async def put_label_set(name: LabelSetName, body: LabelSetRequest, engine: AnyEngine) -> Answer:
    """Store labels and templates under a name; what was there is replaced. 200 and 201 mean durable."""
    templates = body.templates or "plain"
    check_prompts(body.labels, templates, MOST_STORED_PROMPTS)
    stored, new = await engine.in_index(engine.label_sets.put, name, body.labels, templates)
    return Answer(described(stored), CREATED if new else REPLACED)


@router.get("", response_model=LabelSetList, responses=errors(400))
async def list_label_sets(engine: AnyEngine) -> Answer:
    """All label sets, by name."""
    found = await engine.in_index(engine.label_sets.all)
    return Answer({"object": "list", "data": [summary(each) for each in found]})


@router.get("/{name}", response_model=LabelSetAnswer, responses=errors(400, 404))
async def read_label_set(name: LabelSetName, engine: AnyEngine) -> Answer:
    """The labels and templates of a set."""
    return Answer(described(await engine.in_index(engine.label_sets.get, name)))


@router.delete("/{name}", response_model=Dropped, responses=errors(400, 404))
async def drop_label_set(name: LabelSetName, engine: AnyEngine) -> Answer:
    """Delete a set."""
    await engine.in_index(engine.label_sets.drop, name)
    return Answer({"name": name, "deleted": True})
