"""`sensorium ingest` into a data folder that no server holds."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from index import Store
from index.errors import Locked
from models.modalities import modality_named
from models.preparer import Preparer
from service.bulk.choosing import Plan
from service.bulk.lanes import Encoder
from service.bulk.pipeline import Ingest
from service.bulk.pool import DecodePool
from service.bulk.report import Report
from service.bulk.sources import Source, Wishes
from service.engine import cutting_of, limits_of, opened
from service.loading import load_model
from service.settings import Settings


@dataclass(frozen=True)
class Order:
    """What is to be put where: the words of the command line and of a job."""

    collection: str
    source: str
    wishes: Wishes = field(default_factory=Wishes)
    replace: bool = False
    prune: bool = False


@contextmanager
def counting(source: Source, wishes: Wishes, report: Report) -> Iterator[None]:
    """Count the files meanwhile, for the bar; it is much quicker than reading them."""
    over = threading.Event()

    def count() -> None:
        total = 0
        for _ in source.names(wishes):
            if over.is_set():
                return
            total += 1
        report.total = total

    thread = threading.Thread(target=count, name="count", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def store_of(settings: Settings) -> Store:
    """The store of the data folder. Raises StoreError, SettingError, Locked naming `--server`."""
    try:
        return opened(settings.data_dir)
    except Locked as error:
        raise Locked(
            f"{error.message}; or, where that is a Sensorium server, work through it: --server URL"
        ) from error


def ingest(
    settings: Settings, order: Order, report: Report, stop: threading.Event, workers: int | None = None
) -> None:
    """Put the files into the collection, made where it is missing.

    Raises SensoriumError, StoreError, OSError.
    """
    source = Source.of(order.source)
    with store_of(settings) as store:
        embedder = load_model(settings)
        if order.wishes.modality is not None:
            modality_named(order.wishes.modality, embedder.senses)
        collection, _ = store.create(
            order.collection, model=embedder.name, identity=embedder.identity, dimension=embedder.dim
        )
        plan = Plan(source.label, source.folder, replace=order.replace, prune=order.prune)
        preparer = Preparer.of(embedder, limits_of(settings), cutting_of(settings, embedder))
        with DecodePool(preparer, workers) as pool, counting(source, order.wishes, report):
            encoder = Encoder.of(embedder, settings.encode_lanes)
            Ingest(plan, embedder, encoder, collection, pool, report, stop, settings.batch_views).run(
                source.found(order.wishes, embedder.senses)
            )
