"""Traces: one span for each thing that happens to a request, and nothing at all where nobody asked."""

import asyncio
import itertools
import os
import subprocess
import sys

import pytest
from fastapi.testclient import TestClient

pytest.importorskip("opentelemetry.sdk", reason="needs the extra `otel`")

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from index import Store
from service.app import create_app
from service.errors import NotReadyError
from service.settings import Settings
from service.tracing import _REQUEST, Tracing, tracing_from, wanted
from tests.small_embedder import small_embedder
from tests.test_batcher import entered, run, submitted

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def traced(tmp_path):
    """A client of an application with traces, and where they arrive."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing = Tracing(provider, provider.shutdown)
    with Store.open(tmp_path) as store:
        app = create_app(Settings(), small_embedder(), store, tracing=tracing)
        with TestClient(app) as client:
            yield client, exporter


def spans(exporter, root):
    """The spans below the one of this name by name, and that one."""
    found = exporter.get_finished_spans()
    (top,) = [span for span in found if span.name == root]
    below = [span for span in found if span.parent and span.parent.span_id == top.context.span_id]
    return {span.name: span for span in below}, top


def test_an_upload_is_followed_from_the_request_to_the_index(traced):
    """Queue, encode (a short text is decoded there) and index follow each other below the request."""
    client, exporter = traced
    client.put("/v1/collections/notes")
    client.post("/v1/collections/notes/items", json={"items": [{"id": "a", "content": "a dog"}]})
    below, top = spans(exporter, "POST /v1/collections/{name}/items")
    order = ["queue", "encode", "decode", "index"]
    assert set(order) <= set(below)
    # Times that have been are told by another clock than those that are: a millisecond apart at most.
    starts = [below[name].start_time for name in order]
    assert all(later - earlier > -1e6 for earlier, later in itertools.pairwise(starts))
    assert all(
        top.start_time - 1e6 <= span.start_time <= span.end_time <= top.end_time + 1e6
        for span in below.values()
    )
    assert below["decode"].attributes["sensorium.modality"] == "text"
    assert below["index"].attributes["sensorium.call"] == "upsert"


def test_the_request_tells_its_route_status_and_id(traced):
    """The pattern of the path, never the name in it, and the id that the answer carries."""
    client, exporter = traced
    answer = client.get("/v1/collections/secret")
    _, top = spans(exporter, "GET /v1/collections/{name}")
    assert top.attributes["http.route"] == "/v1/collections/{name}"
    assert top.attributes["http.response.status_code"] == 404
    assert top.attributes["sensorium.request_id"] == answer.headers["x-request-id"]
    assert "secret" not in str(dict(top.attributes))


def test_a_trace_goes_on_from_the_callers(traced):
    """The W3C header `traceparent` names the trace and the span above."""
    client, exporter = traced
    client.get("/v1/models", headers={"traceparent": PARENT})
    _, top = spans(exporter, "GET /v1/models")
    assert f"{top.context.trace_id:032x}" == PARENT.split("-")[1]
    assert f"{top.parent.span_id:016x}" == PARENT.split("-")[2]


def test_every_input_has_its_own_spans(traced):
    """Three texts in one request are decoded and encoded three times below it."""
    client, exporter = traced
    client.post("/v1/embeddings", json={"input": ["a", "b", "c"]})
    names = [span.name for span in exporter.get_finished_spans()]
    assert names.count("decode") == names.count("queue") == names.count("encode") == 3


def test_health_is_not_traced(traced):
    """Probes and Prometheus ask every few seconds."""
    client, exporter = traced
    for path in ("/healthz", "/readyz", "/metrics"):
        client.get(path)
    assert not exporter.get_finished_spans()


def test_only_the_standard_variables_switch_traces_on():
    """An endpoint or an exporter asks for them; `none` and the switch for the whole SDK win."""
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}
    assert not wanted({})
    assert not wanted({"OTEL_SERVICE_NAME": "x"})
    assert wanted(endpoint)
    assert wanted({"OTEL_TRACES_EXPORTER": "console"})
    assert not wanted({**endpoint, "OTEL_TRACES_EXPORTER": "none"})
    assert not wanted({**endpoint, "OTEL_SDK_DISABLED": "true"})


def test_an_exporter_that_is_not_known_is_told_and_left_out(caplog):
    """The server starts all the same."""
    assert tracing_from({"OTEL_TRACES_EXPORTER": "carrier-pigeon"}) is None
    assert "carrier-pigeon" in caplog.text
    assert "otlp" in caplog.text


PROGRAM = """
import sys
from fastapi.testclient import TestClient
from service.app import create_app
from service.settings import Settings
from tests.small_embedder import small_embedder
with TestClient(create_app(Settings(data_dir=sys.argv[1]), small_embedder())) as client:
    client.get("/v1/models")
parts = ("opentelemetry.sdk", "opentelemetry.exporter")
print(sorted(name for name in sys.modules if name.startswith(parts)))
"""


def run_program(folder, **environment):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    command = [sys.executable, "-c", PROGRAM, str(folder)]
    return subprocess.run(
        command, check=False, env={**clean, **environment}, capture_output=True, text=True, timeout=120
    )


def test_nothing_is_imported_where_nobody_asked(tmp_path):
    """Not one module of the SDK or an exporter is there after a request (FastAPI itself brings the API)."""
    done = run_program(tmp_path)
    assert done.stdout.strip() == "[]", done.stderr


def test_the_console_exporter_shows_what_was_answered(tmp_path):
    """As the variables say, whole spans are printed at the latest when the server ends."""
    done = run_program(tmp_path, OTEL_TRACES_EXPORTER="console", OTEL_SERVICE_NAME="zoo")
    assert '"name": "GET /v1/models"' in done.stdout, done.stderr
    assert '"service.name": "zoo"' in done.stdout


def test_what_no_batch_took_has_no_spans_and_its_own_error():
    """Traced or not, those in line when the encoders stop get NotReadyError."""

    async def scenario(batcher, encoder):
        provider = TracerProvider()
        tracer = provider.get_tracer("test")
        with tracer.start_as_current_span("request") as top:
            _REQUEST.set((tracer, top))
            encoder.gate.clear()
            running = submitted(batcher, [1])
            await entered(encoder)
            queued = submitted(batcher, [2])
            await asyncio.sleep(0)
            batcher._task.cancel()
            return await asyncio.gather(*running, *queued, return_exceptions=True)

    assert [type(each) for each in run(scenario)] == [NotReadyError] * 2
