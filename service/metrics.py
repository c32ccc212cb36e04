"""What the service tells Prometheus, in a registry of its own per application."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from time import perf_counter
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

REQUEST_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
WORK_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
BATCH = (1, 2, 4, 8, 16, 32, 64, 128)
# Anything may stand where a method should; only these become labels.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

Gauges = Mapping[tuple[str, ...], float]


class Metrics:
    """Counters and histograms; the batcher and the vectorizer tell it what they did."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)

        def histogram(name: str, what: str, label: str, bounds: tuple[float, ...]) -> Histogram:
            return Histogram(f"sensorium_{name}", what, [label], registry=self.registry, buckets=bounds)

        self._requests = Counter(
            "sensorium_requests",
            "Answers by route and status",
            ["route", "method", "status"],
            registry=self.registry,
        )
        self._refused = Counter(
            "sensorium_refused",
            "Refused requests and inputs by the error's code",
            ["code"],
            registry=self.registry,
        )
        self._request_s = histogram("request_seconds", "Time to the end of an answer", "route", REQUEST_S)
        self._decode_s = histogram("decode_seconds", "Decoding and preparing one input", "modality", WORK_S)
        self._wait_s = histogram("queue_wait_seconds", "From prepared to its batch", "modality", WORK_S)
        self._encode_s = histogram("encode_seconds", "One batch in the encoder", "modality", WORK_S)
        self._batch_views = histogram("batch_views", "Views (clips, crops) per batch", "modality", BATCH)
        self._batch_items = histogram("batch_items", "Inputs per batch", "modality", BATCH)
        self._failed = Counter(
            "sensorium_encode_failures",
            "Batches that an encoder failed with",
            ["modality"],
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "sensorium_requests_in_flight", "Requests that are being answered", registry=self.registry
        )
        # Looking a child up by its labels takes longer than to count; labels are few.
        self._of: Callable[..., Any] = cache(lambda metric, *labels: metric.labels(*labels))
        Info("sensorium_build", "The version that runs", registry=self.registry).info(
            {"version": version("sensorium")}
        )

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """One answer; status 0: the caller had left."""
        self._of(self._requests, route, method if method in METHODS else "other", str(status)).inc()
        self._of(self._request_s, route).observe(seconds)

    def expect(self, modalities: Iterable[str]) -> None:
        """Begin the counters that alarms look at with 0: one that is born as 1 has never increased."""
        self._of(self._refused, "storage_full")
        for modality in modalities:
            self._of(self._failed, modality)

    def refused(self, code: str) -> None:
        self._of(self._refused, code).inc()

    def waited(self, modality: str, seconds: float) -> None:
        self._of(self._wait_s, modality).observe(seconds)

    @contextmanager
    def decoding(self, modality: str) -> Iterator[None]:
        began = perf_counter()
        yield
        self._of(self._decode_s, modality).observe(perf_counter() - began)

    @contextmanager
    def encoding(self, modality: str, items: int, views: int) -> Iterator[None]:
        began = perf_counter()
        try:
            yield
        except Exception:
            self._of(self._failed, modality).inc()
            raise
        self._of(self._encode_s, modality).observe(perf_counter() - began)
        self._of(self._batch_items, modality).observe(items)
        self._of(self._batch_views, modality).observe(views)

    def watch(self, name: str, what: str, labels: tuple[str, ...], read: Callable[[], Gauges]) -> None:
        """A gauge whose values, label values -> number, are read when Prometheus asks."""
        self.registry.register(_Gauge(f"sensorium_{name}", what, labels, read))

    def text(self) -> bytes:
        """Prometheus' text format."""
        return generate_latest(self.registry)


class _Gauge(Collector):
    def __init__(self, name: str, what: str, labels: tuple[str, ...], read: Callable[[], Gauges]) -> None:
        self.name, self.what, self.labels, self.read = name, what, labels, read

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily(self.name, self.what, labels=self.labels)
        for values, number in self.read().items():
            family.add_metric(values, number)
        yield family
