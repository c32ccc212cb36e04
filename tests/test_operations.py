"""What operators are handed fits the server: alerts, dashboard and the page that explains them."""

import json
import re
from pathlib import Path

import pytest
import yaml
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from index import Store
from service.app import create_app
from service.settings import Settings
from tests.small_embedder import small_embedder

DOCS = Path(__file__).parent.parent / "docs"
RULES = yaml.safe_load((DOCS / "prometheus" / "sensorium.rules.yml").read_text(encoding="utf-8"))
DASHBOARD = json.loads((DOCS / "grafana" / "sensorium.json").read_text(encoding="utf-8"))
PAGE = (DOCS / "operations.md").read_text(encoding="utf-8")
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"]]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [target["expr"] for panel in PANELS for target in panel["targets"]]
# Labels that Prometheus adds to whatever it scrapes.
ADDED = {"instance", "job"}


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Name of each metric -> the labels that it was seen with, after some work and some refusals."""
    folder = tmp_path_factory.mktemp("data")
    with Store.open(folder) as store, TestClient(create_app(Settings(), small_embedder(), store)) as client:
        client.put("/v1/collections/notes")
        items = [{"content": "a"}, {"content": {"image": "aGVsbG8="}}]
        client.post("/v1/collections/notes/items", json={"items": items})
        client.get("/nowhere")
        families = list(text_string_to_metric_families(client.get("/metrics").text))
    found = {}
    for family in families:
        found.setdefault(f"{family.name}_total" if family.type == "counter" else family.name, set())
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    # It needs a broken encoder, which test_metrics.py has.
    found["sensorium_encode_failures_total"] = {"modality"}
    return found


def names_in(query):
    """The metrics that a query names, those of labels and strings left out."""
    bare = re.sub(r"\{[^{}]*\}|\"[^\"]*\"", "", re.sub(r"\"[^\"]*\"", "", query))
    bare = re.sub(r"\b(by|without|on)\s*\([^)]*\)", "", bare)
    return set(re.findall(r"\b(?:sensorium|process|python)_\w+", bare))


def labels_in(query):
    """The labels that a query selects or groups by."""
    unquoted = re.sub(r"\"[^\"]*\"", '""', query)
    grouped = [
        word
        for group in re.findall(r"\b(?:by|without|on)\s*\(([^)]*)\)", unquoted)
        for word in group.split(",")
    ]
    return {word.strip() for word in grouped} | set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"\"", unquoted))


EXPRESSIONS = [rule["expr"] for rule in ALERTS] + QUERIES


@pytest.mark.parametrize("query", EXPRESSIONS)
def test_every_metric_and_label_of_a_query_exists(told, query):
    """What alerts and panels ask for stands in /metrics, with the labels they ask by."""
    names = names_in(query)
    assert names
    assert names <= set(told)
    known = set().union(*(told[name] for name in names)) | ADDED
    assert labels_in(query) <= known


@pytest.mark.parametrize("query", EXPRESSIONS)
def test_brackets_of_a_query_close(query):
    """As many of each kind as are opened, in the right order."""
    open_ones = []
    for sign in re.sub(r"\"[^\"]*\"", "", query):
        if sign in "([{":
            open_ones.append(sign)
        elif sign in ")]}":
            assert open_ones.pop() + sign in ("()", "[]", "{}")
    assert not open_ones


def test_every_alert_says_what_is_wrong_and_how_bad():
    """A name of its own, a severity, a summary, and a row in the page that says what to do."""
    names = [rule["alert"] for rule in ALERTS]
    assert len(set(names)) == len(names) >= 10
    for rule in ALERTS:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"]["summary"]
        assert re.fullmatch(r"\d+[smh]", rule.get("for", "1m"))
        assert f"`{rule['alert']}`" in PAGE


def test_labels_in_summaries_are_those_of_the_alert():
    """`{{ $labels.modality }}` is empty where the query has grouped it away."""
    for rule in ALERTS:
        used = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        groups = re.findall(r"\bby\s*\(([^)]*)\)", rule["expr"])
        kept = {word.strip() for group in groups for word in group.split(",")} if groups else ADDED
        assert used <= kept


def test_the_dashboard_can_be_imported():
    """Panels have numbers of their own, titles, places within 24 columns, and a source that is chosen."""
    assert DASHBOARD["title"] == "Sensorium"
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(numbers)) == len(numbers) > 20
    for panel in PANELS:
        place = panel["gridPos"]
        assert panel["title"]
        assert place["x"] + place["w"] <= 24
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_panels_do_not_overlap():
    """No cell of the grid belongs to two."""
    taken = set()
    for place in (panel["gridPos"] for panel in DASHBOARD["panels"]):
        columns, rows = range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
        cells = {(x, y) for x in columns for y in rows}
        assert not cells & taken
        taken |= cells


def test_every_metric_of_ours_is_on_the_dashboard(told):
    """What is told is shown somewhere."""
    suffix = r"(_bucket|_sum|_count|_total)$"
    shown = {re.sub(suffix, "", name) for query in QUERIES for name in names_in(query)}
    ours = {re.sub(suffix, "", name) for name in told if name.startswith("sensorium_")}
    assert {name for name in ours if not name.endswith("_created")} <= shown
