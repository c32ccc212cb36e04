"""Which of the files found are to be read: those whose id is free, or of this source, and met once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from os.path import lexists
from pathlib import Path

from index import Collection
from index.errors import StoreError
from index.towers import mismatch
from models.embedder import Embedder
from models.errors import SensoriumError
from service.bulk.candidates import Candidate, Fault, Found, Passed, mark_of
from service.bulk.known import Known
from service.bulk.report import Report

PAGE = 1000


@dataclass(frozen=True)
class Plan:
    """`source` marks the items. `root`: the folder of the files, None of a manifest.

    `inside`: the folder that links may not lead out of. `replace`: take over ids of other items. `prune`:
    delete items of this source whose files are gone.
    """

    source: str
    root: Path | None = None
    inside: str | None = None
    replace: bool = False
    prune: bool = False


@dataclass(frozen=True)
class Chosen:
    """A candidate with the fingerprint that is stored under its id.

    `there`: something is; `taken`: it is not of this source, so that only the same may be met.
    """

    candidate: Candidate
    print: str
    there: bool
    taken: bool


def stored_marks(collection: Collection) -> Iterator[tuple[str, str, str, str]]:
    """(id, source, fingerprint, file) of every item."""
    cursor: str | None = None
    while True:
        page = collection.page(PAGE, cursor)
        yield from ((item.id, *mark_of(item.metadata)) for item in page.items)
        cursor = page.next_cursor
        if cursor is None:
            return


def encodable(embedder: Embedder, collection: Collection) -> Callable[[Candidate], Fault | None]:
    """Says what hinders a candidate's modality, if anything."""
    strangers = collection.strangers(embedder.bound) if embedder.bound else set[str]()

    def hindrance(candidate: Candidate) -> Fault | None:
        try:
            embedder.tower(candidate.modality)
            if candidate.modality in strangers:
                raise mismatch(collection.name, candidate.modality)
        except (SensoriumError, StoreError) as error:
            return Fault(candidate.file, error.message, error.code)
        return None

    return hindrance


def chosen(plan: Plan, known: Known, candidate: Candidate) -> Chosen | Fault:
    source, print_, met = known.meet(candidate.id)
    if met:
        return Fault(candidate.file, f"the id {candidate.id!r} comes twice in this source", "duplicate_id")
    taken = source not in (None, plan.source) and not plan.replace
    return Chosen(candidate, print_, source is not None, taken)


def id_taken(candidate: Candidate) -> Fault:
    message = (
        f"the id {candidate.id!r} is taken by an item that is not of this source; give a prefix of ids "
        "(`prefix`), or say that it is to be replaced (`replace`)"
    )
    return Fault(candidate.file, message, "id_taken")


def choose(
    found: Iterable[Found],
    plan: Plan,
    known: Known,
    report: Report,
    hindrance: Callable[[Candidate], Fault | None],
) -> Iterator[Chosen]:
    """The candidates to read; everything else goes to the report."""
    for each in found:
        if isinstance(each, Passed):
            report.pass_over(each.ending)
            continue
        judged = each if isinstance(each, Fault) else hindrance(each) or chosen(plan, known, each)
        if isinstance(judged, Fault):
            report.fail(judged)
        else:
            yield judged


def prune(known: Known, plan: Plan, report: Report, delete: Callable[[list[str]], int]) -> None:
    """Delete the items of this source whose files are gone, unless some could not be met.

    What a pattern or an option merely left out this time is still there.
    """
    if not report.may_prune:
        report.unpruned = True
        return
    for page in known.missing(plan.source):
        ids = [identifier for identifier, file in page if plan.root is None or not lexists(plan.root / file)]
        if ids:
            report.deleted += delete(ids)
