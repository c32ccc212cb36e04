"""OpenTelemetry traces of what becomes of a request: decode, queue, encode, index. Off by default.

Whoever sets the standard variables (OTEL_EXPORTER_OTLP_ENDPOINT and their like) and has the extra `otel` gets
them; without either nothing of its SDK is imported. The request's span carries the tracer to those
below it, so that they need not know whether there is one.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.metadata import version
from typing import Any

from starlette.datastructures import Headers
from starlette.types import Scope

log = logging.getLogger(__name__)

SERVICE = "sensorium"
UNTRACED = frozenset({"/healthz", "/readyz", "/metrics"})
ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
SERVER_ERROR = 500

# The tracer and the span of the request that is being answered.
_REQUEST: ContextVar[tuple[Any, Any] | None] = ContextVar("request_span", default=None)


@contextmanager
def span(name: str, **attributes: str | int) -> Iterator[None]:
    """A span of this name while inside, below the request's; nothing where there is no trace."""
    request = _REQUEST.get()
    if request is None:
        yield
        return
    with request[0].start_as_current_span(name, attributes=named(attributes)):
        yield


def record(name: str, began: float, ended: float, **attributes: str | int) -> None:
    """A span of what has been, by `time.perf_counter` [s]."""
    request = _REQUEST.get()
    if request is not None:
        epoch_ns = time.time_ns() - time.perf_counter_ns()
        start = request[0].start_span(
            name, attributes=named(attributes), start_time=epoch_ns + int(began * 1e9)
        )
        start.end(epoch_ns + int(ended * 1e9))


def answered(route: str, method: str, status: int, request_id: str) -> None:
    """Tell the request's span what became of it; status 0: the caller had left."""
    request = _REQUEST.get()
    if request is None:
        return
    found = request[1]
    found.update_name(f"{method} {route}")
    found.set_attributes(
        {"http.route": route, "http.request.method": method, "sensorium.request_id": request_id}
    )
    if status:
        found.set_attribute("http.response.status_code", status)
    if status >= SERVER_ERROR:
        from opentelemetry.trace import StatusCode  # noqa: PLC0415 - only where there are traces

        found.set_status(StatusCode.ERROR)


def named(attributes: Mapping[str, str | int]) -> dict[str, str | int]:
    return {f"sensorium.{name}": value for name, value in attributes.items()}


class Tracing:
    """`provider` is an OpenTelemetry TracerProvider; `close` sends what is left."""

    def __init__(self, provider: Any, close: Callable[[], object]) -> None:
        self._tracer = provider.get_tracer(SERVICE, version("sensorium"))
        self.close = close

    @contextmanager
    def request(self, scope: Scope) -> Iterator[None]:
        """A span around the answer to a request, below the caller's where its headers name one."""
        if scope["path"] in UNTRACED:
            yield
            return
        from opentelemetry import propagate, trace  # noqa: PLC0415 - only where there are traces

        above = propagate.extract(dict(Headers(scope=scope)))
        kind = trace.SpanKind.SERVER
        with self._tracer.start_as_current_span(scope["method"], context=above, kind=kind) as found:
            token = _REQUEST.set((self._tracer, found))
            try:
                yield
            finally:
                _REQUEST.reset(token)


def wanted(environment: Mapping[str, str]) -> bool:
    """Whether the standard variables ask for traces: an exporter or an endpoint, and no word against it."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    exporter = environment.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    return exporter != "none" and (bool(exporter) or any(environment.get(name) for name in ENDPOINTS))


def tracing_from(environment: Mapping[str, str]) -> Tracing | None:
    """Traces as the standard OTEL_* variables ask for them; None where they do not, or it cannot be done.

    Understood here: OTEL_TRACES_EXPORTER `otlp` (over HTTP, the default), `console` or `none`. The rest
    (endpoint, headers, sampler, batches, service name, resource) the SDK reads by itself.
    """
    if not wanted(environment):
        return None
    try:
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - an extra
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - an extra
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - an extra

        exporter = exporter_of(environment.get("OTEL_TRACES_EXPORTER", "").strip().lower() or "otlp")
    except ImportError as error:
        log.warning("OTEL_* asks for traces, which takes `pip install sensorium[otel]`: %s", error)
        return None
    if exporter is None:
        return None
    service = {} if "OTEL_SERVICE_NAME" in environment else {"service.name": SERVICE}
    provider = TracerProvider(resource=Resource.create(service))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return Tracing(provider, provider.shutdown)


def exporter_of(name: str) -> Any:
    """The exporter of this name, None (and a warning) where there is no such. Raises ImportError."""
    if name == "console":
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter  # noqa: PLC0415 - an extra

        return ConsoleSpanExporter()
    if name == "otlp":
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - an extra
            OTLPSpanExporter,
        )

        return OTLPSpanExporter()
    log.warning("OTEL_TRACES_EXPORTER is %r; understood are otlp, console and none", name)
    return None
