"""A stream of items in batches: by count and by bytes, each item judged by itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, TypeAlias

from sensorium_client.content import Content, Vector, part_of
from sensorium_client.errors import SensoriumError, TooLargeError, UnusableInputError
from sensorium_client.results import Added
from sensorium_client.wire import json_of


@dataclass(frozen=True, eq=False)
class NewItem:
    """An item to store. Without `id` its content's hash becomes the id."""

    content: Content
    id: str | None = None
    metadata: Mapping[str, Any] | None = None


Addable: TypeAlias = NewItem | Content


@dataclass(frozen=True)
class Batching:
    """At most `items` and about `bytes` in a request, `concurrency` requests at a time.

    `patience_s`: for so long a batch is offered to a server that is busy [s].
    """

    items: int = 64
    bytes: int = 8_000_000
    concurrency: int = 4
    patience_s: float = 300.0


@dataclass(frozen=True)
class Batch:
    """`settled`: results known without asking. `bodies`: items as JSON, with their `positions` and `ids`."""

    positions: tuple[int, ...]
    ids: tuple[str | None, ...]
    bodies: tuple[bytes, ...]
    settled: tuple[Added, ...]

    def halves(self) -> tuple[Batch, Batch]:
        """For a server that takes less at a time; what is settled goes with the first."""
        middle = len(self.bodies) // 2
        first = Batch(self.positions[:middle], self.ids[:middle], self.bodies[:middle], self.settled)
        return first, Batch(self.positions[middle:], self.ids[middle:], self.bodies[middle:], ())


def body_of(new: NewItem) -> bytes:
    """The item as it is sent. Raises UnusableInputError."""
    if not isinstance(new.metadata, Mapping | None):
        raise UnusableInputError(
            f"metadata maps names to values, which {type(new.metadata).__name__} does not"
        )
    named = {"id": new.id, "metadata": None if new.metadata is None else dict(new.metadata)}
    kept = {name: value for name, value in named.items() if value is not None}
    if isinstance(new.content, Vector):
        return json_of({**new.content.part(), **kept})
    return json_of({"content": part_of(new.content), **kept})


def refused(position: int, identifier: str | None, error: Exception) -> Added:
    """The result of an item that cannot be sent, or that the server takes in no batch."""
    told = {"message": str(error), "type": "invalid_request_error", "code": "unusable_input", "param": None}
    if isinstance(error, TooLargeError):
        told |= {"message": error.message, "code": error.code}
    return Added(position, identifier, "error", error=told)


class Gathering:
    """Items on their way into batches; those whose id is `there` are skipped."""

    def __init__(self, there: AbstractSet[str], limits: Batching) -> None:
        self.there = there
        self.limits = limits
        self.seen = self.size = 0
        self.items: list[tuple[int, str | None, bytes]] = []
        self.settled: list[Added] = []

    def rest(self) -> list[Batch]:
        """What has been taken since the last batch, if anything."""
        if not self.items and not self.settled:
            return []
        positions, ids, bodies = zip(*self.items, strict=True) if self.items else ((), (), ())
        batch = Batch(positions, ids, bodies, tuple(self.settled))
        self.items, self.settled, self.size = [], [], 0
        return [batch]

    def taken(self, item: Addable) -> list[Batch]:
        """The batches that are full with it. An item that cannot be sent never fails its neighbours."""
        new = item if isinstance(item, NewItem) else NewItem(item)
        position, full = self.seen, []
        self.seen += 1
        if isinstance(new.id, str) and new.id in self.there:
            self.settled.append(Added(position, new.id, "skipped"))
        else:
            try:
                body = body_of(new)
            except (SensoriumError, TypeError, ValueError) as error:
                self.settled.append(refused(position, new.id, error))
            else:
                full = self.rest() if self.items and self.size + len(body) > self.limits.bytes else []
                self.items.append((position, new.id, body))
                self.size += len(body)
        return [*full, *self.rest()] if len(self.items) + len(self.settled) >= self.limits.items else full


def batches(items: Iterable[Addable], there: AbstractSet[str], limits: Batching) -> Iterator[Batch]:
    """All items, in batches."""
    gathering = Gathering(there, limits)
    for item in items:
        yield from gathering.taken(item)
    yield from gathering.rest()


def in_order(batch: Batch, answered: list[Added]) -> list[Added]:
    """The results of a batch in the order of its items, with the positions of the whole stream."""
    placed = [
        Added(position, each.id, each.status, each.modality, each.notes, each.error)
        for position, each in zip(batch.positions, answered, strict=True)
    ]
    return sorted([*batch.settled, *placed], key=lambda each: each.position)


def alone(batch: Batch, error: TooLargeError) -> list[Added]:
    """The results of a batch of one item that is too large even so."""
    return in_order(batch, [refused(0, batch.ids[0], error)])
