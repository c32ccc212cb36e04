"""`sensorium ingest --server`: files sent to a running server in batches, which decodes and encodes them."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

from models.modalities import MODALITIES, modality_named
from service.bulk.candidates import Candidate, Fault, facts_of, mark_of, marked
from service.bulk.choosing import Chosen, Plan, choose, id_taken, prune
from service.bulk.known import Known
from service.bulk.local import Order, counting
from service.bulk.report import Report
from service.bulk.server import Server, ServerError, words_of
from service.bulk.sources import Source
from service.bulk.worker import fault_of, fingerprint, read

ITEMS = 32
BYTES = 8_000_000
SENDERS = 4
PAGE = 1000
NOT_FOUND = 404
TOO_LARGE = 413


@dataclass(frozen=True)
class Parcel:
    """An item as it is sent."""

    chosen: Chosen
    body: Mapping[str, Any]
    size: int


class Sending:
    """One pass of a source into a collection of a server."""

    def __init__(
        self, server: Server, order: Order, plan: Plan, report: Report, stop: threading.Event
    ) -> None:
        self.server, self.order, self.plan, self.report, self.stop = server, order, plan, report, stop
        self.path = f"/v1/collections/{quote(order.collection, safe='')}"

    def run(self, source: Source) -> None:
        """Raises ServerError where the server cannot be used."""
        self._open()
        known = Known(self._marks())
        found = source.found(self.order.wishes)
        chosen = choose(found, self.plan, known, self.report, lambda _: None)
        on_way: set[Future[None]] = set()
        with ThreadPoolExecutor(SENDERS, thread_name_prefix="send") as threads:
            for parcels in self._batches(chosen):
                while len(on_way) >= SENDERS:
                    on_way = self._settled(on_way)
                on_way.add(threads.submit(self._send, parcels))
            while on_way:
                on_way = self._settled(on_way)
        self.report.finished = not self.stop.is_set()
        if self.plan.prune:
            prune(known, self.plan, self.report, self._delete)
        known.close()

    def _open(self) -> None:
        """Make the collection where it is missing, but not for a key that may not read what is in it."""
        answer = self.server.ask("GET", f"{self.path}/items", limit=1)
        if not answer.is_success and answer.status_code != NOT_FOUND:
            raise ServerError(words_of(answer))
        self.server.expect("PUT", self.path, {})

    def _delete(self, ids: list[str]) -> int:
        deleted: int = self.server.expect("POST", f"{self.path}/items/delete", {"ids": ids})["deleted"]
        return deleted

    def _settled(self, on_way: set[Future[None]]) -> set[Future[None]]:
        done, rest = wait(on_way, return_when=FIRST_COMPLETED)
        for each in done:
            try:
                each.result()
            except BaseException:
                self.stop.set()
                raise
        return rest

    def _marks(self) -> Iterator[tuple[str, str, str, str]]:
        cursor: str | None = None
        while True:
            query = {"limit": PAGE} if cursor is None else {"limit": PAGE, "cursor": cursor}
            page = self.server.expect("GET", f"{self.path}/items", **query)
            yield from ((item["id"], *mark_of(item["metadata"])) for item in page["items"])
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def _batches(self, chosen: Iterator[Chosen]) -> Iterator[list[Parcel]]:
        parcels: list[Parcel] = []
        for each in chosen:
            if self.stop.is_set():
                return
            parcel = self._parcel(each)
            if parcel is None:
                continue
            if parcels and sum(one.size for one in parcels) + parcel.size > BYTES:
                yield parcels
                parcels = []
            parcels.append(parcel)
            if len(parcels) >= ITEMS:
                yield parcels
                parcels = []
        if parcels:
            yield parcels

    def _parcel(self, chosen: Chosen) -> Parcel | None:
        """None where the file is stored already or cannot be read."""
        candidate = chosen.candidate
        try:
            data = (
                (candidate.text or "").encode() if candidate.path is None else read(str(candidate.path), None)
            )
        except OSError as error:
            self.report.fail(Fault(candidate.file, *fault_of(error)))
            return None
        print_ = fingerprint(facts_of(candidate), data)
        if print_ == chosen.print:
            self.report.leave()
            return None
        if chosen.taken:
            self.report.fail(id_taken(candidate))
            return None
        content = part_of(candidate, data)
        metadata = marked(candidate, self.plan.source, print_)
        return Parcel(
            chosen, {"id": candidate.id, "content": content, "metadata": metadata}, len(data) * 4 // 3 + 512
        )

    def _send(self, parcels: Sequence[Parcel]) -> None:
        answer = self.server.ask("POST", f"{self.path}/items", {"items": [each.body for each in parcels]})
        results = results_of(answer)
        if results is None and answer.status_code == TOO_LARGE and len(parcels) > 1:
            middle = len(parcels) // 2
            self._send(parcels[:middle])
            self._send(parcels[middle:])
        elif results is None and answer.status_code == TOO_LARGE:
            self.report.fail(Fault(parcels[0].chosen.candidate.file, words_of(answer), "request_too_large"))
        elif results is None:
            raise ServerError(words_of(answer))
        else:
            for parcel, result in zip(parcels, results, strict=True):
                self._settle(parcel.chosen, result)

    def _settle(self, chosen: Chosen, result: Mapping[str, Any]) -> None:
        if result["status"] == "stored":
            self.report.store(chosen.candidate.modality, replaced=chosen.there)
        else:
            error = result["error"]
            self.report.fail(
                Fault(chosen.candidate.file, error["message"], error["code"] or "invalid_request")
            )


def part_of(candidate: Candidate, data: bytes) -> dict[str, Any]:
    """The content of an item as a part of the wire's grammar."""
    if candidate.modality == "text":
        return {"text": data.decode("utf-8", "replace")}
    return {candidate.modality: base64.b64encode(data).decode("ascii"), **candidate.params}


def results_of(answer: httpx.Response) -> list[Mapping[str, Any]] | None:
    """The results of single items, which stand in an answer 422 as well."""
    try:
        results = answer.json().get("results")
    except (ValueError, AttributeError):
        return None
    return results if isinstance(results, list) else None


def ingest(url: str, key: str | None, order: Order, report: Report, stop: threading.Event) -> None:
    """Send the files to the collection, made where it is missing.

    Raises ServerError, SensoriumError, OSError.
    """
    source = Source.of(order.source)
    if order.wishes.modality is not None:
        modality_named(order.wishes.modality, MODALITIES)
    plan = Plan(source.label, source.folder, replace=order.replace, prune=order.prune)
    with Server(url, key) as server, counting(source, order.wishes, report):
        Sending(server, order, plan, report, stop).run(source)
