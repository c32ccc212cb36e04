"""Jobs: folders of the server into a collection, in the background."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from service.answers import Answer
from service.bulk.job_book import Job
from service.bulk.jobs import Jobs
from service.bulk.roots import confined
from service.dependencies import ReadyEngine
from service.errors import LocatedError, UnknownJobError, unknown_modality
from service.openapi import ONE_MODALITY, errors
from service.requests import StrictRoute
from service.times import timestamp
from service.whole_numbers import check_metadata, may_be_rounded, read_exactly

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], route_class=StrictRoute)
ACCEPTED = 202
JobId = Annotated[str, Path(description="the job")]
Status = Literal["queued", "running", "succeeded", "failed", "cancelled"]


class JobRequest(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"collection": "holidays", "source": "photos/2024/**/*.jpg"}]},
    )

    collection: str = Field(min_length=1)
    source: str = Field(
        min_length=1, description="folder, pattern, file or manifest in the folders of SENSORIUM_INGEST_ROOTS"
    )
    modality: Annotated[str | None, WithJsonSchema({"anyOf": [ONE_MODALITY, {"type": "null"}]})] = Field(
        default=None, description="what the files are, where neither a sidecar nor a manifest says it"
    )
    text: bool = Field(default=False, description="text files too")
    prefix: str = Field(default="", max_length=256, description="begins every id")
    exclude: list[str] = Field(default_factory=list, description="patterns of files to leave out")
    metadata: dict[str, Any] = Field(default_factory=dict, description="of every item")
    replace: bool = Field(default=False, description="take over ids of items that came from elsewhere")
    prune: bool = Field(default=False, description="delete items whose files are gone")


class JobError(BaseModel):
    file: str
    message: str
    code: str


class JobAnswer(BaseModel):
    """`done` files are in the collection: `stored` now, or `unchanged` since before; `total` once counted."""

    id: str
    object: Literal["job"]
    status: Status
    collection: str
    source: str
    done: int
    failed: int
    total: int | None
    rate: float
    stored: int
    replaced: int
    unchanged: int
    deleted: int
    passed_over: int
    errors: list[JobError]
    error: str | None
    created_at: str
    updated_at: str


class JobList(BaseModel):
    object: Literal["list"]
    data: list[JobAnswer]


async def jobs_of(request: Request) -> Jobs:
    jobs: Jobs = request.app.state.jobs
    return jobs


AllJobs = Annotated[Jobs, Depends(jobs_of)]
COUNTS = ("done", "failed", "stored", "replaced", "unchanged", "deleted", "passed_over")


def moment(microseconds: int) -> str:
    return timestamp(datetime.fromtimestamp(microseconds / 1e6, UTC))


def described(job: Job) -> dict[str, Any]:
    told = job.progress
    return {
        "id": job.id,
        "object": "job",
        "status": job.status,
        "collection": job.request["collection"],
        "source": job.request["source"],
        **{name: told.get(name, 0) for name in COUNTS},
        "total": told.get("total"),
        "rate": told.get("rate", 0.0),
        "errors": told.get("errors", []),
        "error": told.get("error"),
        "created_at": moment(job.created_us),
        "updated_at": moment(job.updated_us),
    }


async def found(jobs: Jobs, identifier: str) -> Job:
    """Raises UnknownJobError."""
    job = jobs.book.get(identifier)
    if job is None:
        raise UnknownJobError(f"there is no job {identifier!r}; GET /v1/jobs lists them")
    return job


@router.post(
    "", response_model=JobAnswer, status_code=ACCEPTED, responses=errors(400, 404, 409, 413, 415, 503)
)
async def add_job(body: JobRequest, request: Request, jobs: AllJobs, engine: ReadyEngine) -> Answer:
    """Put a folder of the server into a collection; a job that asks the same and goes on is given back."""
    if may_be_rounded(body.metadata):
        check_metadata(read_exactly(await request.body())["metadata"], "metadata")
    collection = await engine.in_index(engine.collection, body.collection)
    senses = engine.model_of(collection).embedder.senses
    if body.modality is not None and body.modality not in senses:
        raise LocatedError(unknown_modality(body.modality, senses), "modality")
    try:
        await engine.in_reader(confined, engine.settings.ingest_roots, body.source)
    except Exception as error:
        raise LocatedError(error, "source") from error
    return Answer(described(await jobs.add(body.model_dump())), ACCEPTED)


@router.get("", response_model=JobList, responses=errors(400))
async def list_jobs(jobs: AllJobs, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> Answer:
    """The newest first."""
    return Answer({"object": "list", "data": [described(job) for job in jobs.book.newest(limit)]})


@router.get("/{job_id}", response_model=JobAnswer, responses=errors(400, 404))
async def read_job(job_id: JobId, jobs: AllJobs) -> Answer:
    """How far a job is; `errors` holds the first 100 files that could not be used."""
    return Answer(described(await found(jobs, job_id)))


@router.post("/{job_id}/cancel", response_model=JobAnswer, responses=errors(404))
async def cancel_job(job_id: JobId, jobs: AllJobs) -> Answer:
    """End a job; what it has stored stays. One that has ended stays as it is."""
    await found(jobs, job_id)
    await jobs.cancel(job_id)
    return Answer(described(await found(jobs, job_id)))
