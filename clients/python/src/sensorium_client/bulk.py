"""A stream of items in batches: by count and by bytes, each item judged by itself."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, TypeAlias

from sensorium_client.content import Content, Vector, part_of
from sensorium_client.errors import SensoriumError
from sensorium_client.results import Added


@dataclass(frozen=True, eq=False)
class NewItem:
    """An item to store. Without `id` its content's hash becomes the id."""

    content: Content
    id: str | None = None
    metadata: Mapping[str, Any] | None = None


Addable: TypeAlias = NewItem | Content


@dataclass(frozen=True)
class Batching:
    """At most `items` and about `bytes` in a request, `concurrency` requests at a time."""

    items: int = 64
    bytes: int = 8_000_000
    concurrency: int = 4


@dataclass(frozen=True)
class Batch:
    """`settled`: results known without asking. `bodies`: items for the server, with their `positions`."""

    positions: tuple[int, ...]
    bodies: tuple[dict[str, Any], ...]
    settled: tuple[Added, ...]

    def halves(self) -> tuple[Batch, Batch]:
        """For a server that takes less at a time; what is settled goes with the first."""
        middle = len(self.bodies) // 2
        first = Batch(self.positions[:middle], self.bodies[:middle], self.settled)
        return first, Batch(self.positions[middle:], self.bodies[middle:], ())


def body_of(item: Addable) -> dict[str, Any]:
    """The item as it is sent. Raises UnusableInputError."""
    new = item if isinstance(item, NewItem) else NewItem(item)
    named = {"id": new.id, "metadata": None if new.metadata is None else dict(new.metadata)}
    kept = {name: value for name, value in named.items() if value is not None}
    if isinstance(new.content, Vector):
        return {**new.content.part(), **kept}
    return {"content": part_of(new.content), **kept}


def refused(position: int, item: Addable, error: SensoriumError) -> Added:
    told = {"message": str(error), "type": "invalid_request_error", "code": "unusable_input", "param": None}
    return Added(position, getattr(item, "id", None), "error", error=told)


def size_of(body: Mapping[str, Any]) -> int:
    """Bytes of the item in a request; a medium's base64 is most of them and need not be written for it."""
    content = body.get("content")
    if isinstance(content, Mapping):
        return sum(len(value) if isinstance(value, str) else 64 for value in content.values()) + 256
    return len(json.dumps(body))


def batches(items: Iterable[Addable], there: AbstractSet[str], limits: Batching) -> Iterator[Batch]:
    """Items whose id is `there` are skipped; an item that cannot be sent never fails its neighbours."""
    positions: list[int] = []
    bodies: list[dict[str, Any]] = []
    settled: list[Added] = []
    size = 0
    for position, item in enumerate(items):
        identifier = item.id if isinstance(item, NewItem) else None
        if identifier is not None and identifier in there:
            settled.append(Added(position, identifier, "skipped"))
        else:
            try:
                body = body_of(item)
                added = size_of(body)
            except (SensoriumError, TypeError, ValueError) as error:
                known = error if isinstance(error, SensoriumError) else SensoriumError(str(error))
                settled.append(refused(position, item, known))
                continue
            if bodies and size + added > limits.bytes:
                yield Batch(tuple(positions), tuple(bodies), tuple(settled))
                positions, bodies, settled, size = [], [], [], 0
            positions.append(position)
            bodies.append(body)
            size += added
        if len(bodies) + len(settled) >= limits.items:
            yield Batch(tuple(positions), tuple(bodies), tuple(settled))
            positions, bodies, settled, size = [], [], [], 0
    if bodies or settled:
        yield Batch(tuple(positions), tuple(bodies), tuple(settled))


def in_order(batch: Batch, answered: list[Added]) -> list[Added]:
    """The results of a batch in the order of its items, with the positions of the whole stream."""
    placed = [
        Added(position, each.id, each.status, each.modality, each.notes, each.error)
        for position, each in zip(batch.positions, answered, strict=True)
    ]
    return sorted([*batch.settled, *placed], key=lambda each: each.position)
